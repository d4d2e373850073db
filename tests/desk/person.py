"""A worker at the desk: what can be seen on the page, and tasks to be offered."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bridge.support import Desk
from tests.desk.browser import Browser, expect
from tests.desk.support import link_for

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page


@dataclass
class Person:
    """A page on which somebody is signed in."""

    page: "Page"

    def card(self, title: str) -> "Locator":
        """The card of a task."""
        return self.page.locator(".card").filter(has=self.page.get_by_role("heading", name=title))

    def offer(self, title: str) -> "Locator":
        """The card of an offer."""
        return self.page.get_by_role("list", name="Offers").locator(self.card(title))

    async def press(self, title: str, button: str) -> None:
        """Press a button of a card."""
        await self.card(title).get_by_role("button", name=button).click()

    async def sees(self, title: str, *parts: str) -> None:
        """Wait until a card is there that has these texts."""
        await expect(self.card(title)).to_be_visible()
        for part in parts:
            await expect(self.card(title)).to_contain_text(part)

    async def has(self, *titles: str) -> None:
        """Wait until exactly these cards are there."""
        await expect(self.page.locator(".card h3")).to_have_text(list(titles))

    async def hears(self, text: str) -> None:
        """Wait until it stands under what happened."""
        await expect(self.page.locator("#news")).to_contain_text(text)

    async def is_connected(self) -> None:
        """Wait until the page has read everything."""
        await expect(self.page.locator("#connection")).to_have_text("Connected")

    async def hand_on(self, title: str, to: str, mode: str = "Warm", kind: str = "A worker") -> None:
        """Transfer a task with the dialog."""
        await self.press(title, "Transfer…")
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label(kind, exact=True).check()
        await dialog.get_by_label(to).check()
        await dialog.get_by_label(mode).check()
        await dialog.get_by_role("button", name="Transfer", exact=True).click()


async def arrive(browser: Browser, desk: Desk, name: str, **options: Any) -> Person:
    """Sign a worker in by a link, in a browser of its own."""
    person = Person(await browser.open(await link_for(desk, name), **options))
    await person.is_connected()
    return person


async def task(desk: Desk, title: str, workflow: str = "", **fields: Any) -> str:
    """Create a task; returns its SID."""
    attributes = json.dumps({"title": title} | fields)
    made = await desk.rest(
        "POST", f"{desk.path}/Tasks", WorkflowSid=workflow or desk.workflow, Attributes=attributes
    )
    return str(made["sid"])


async def away(desk: Desk, *names: str) -> None:
    """Make workers unavailable, so that they are offered nothing."""
    for name in names:
        path = f"{desk.path}/Workers/{desk.workers[name]}"
        await desk.rest("POST", path, ActivitySid=desk.activities["Unavailable"])


async def back(desk: Desk, *names: str) -> None:
    """Make workers available."""
    for name in names:
        path = f"{desk.path}/Workers/{desk.workers[name]}"
        await desk.rest("POST", path, ActivitySid=desk.activities["Available"])


async def workflow(desk: Desk, timeout_s: int) -> str:
    """Make a workflow whose offers run out soon; returns its SID."""
    routing = {"task_routing": {"default_filter": {"queue": desk.queue}}}
    made = await desk.rest(
        "POST",
        f"{desk.path}/Workflows",
        FriendlyName="Short",
        Configuration=json.dumps(routing),
        TaskReservationTimeout=timeout_s,
    )
    return str(made["sid"])
