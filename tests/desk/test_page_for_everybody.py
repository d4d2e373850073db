"""The desk for everybody: by keyboard alone, for screen readers, in dark and light, on a phone."""

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bridge.support import Desk
from tests.desk.browser import PHONE, Browser, expect
from tests.desk.person import Person, arrive, away, back, task

if TYPE_CHECKING:
    from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def violations(page: "Page") -> list[Any]:
    """What axe-core finds wrong with a page, once nothing moves any more."""
    package = Path(str(import_module("axe_playwright_python").__file__)).parent
    await page.evaluate((package / "axe.min.js").read_text())
    found = await page.evaluate("(rules) => axe.run({runOnly: rules})", RULES)
    assert len(found["passes"]) > 20
    return [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]]


async def test_everything_can_be_done_with_keys(browser: Browser, desk: Desk) -> None:
    await away(desk, "alice", "bob")
    alice = await arrive(browser, desk, "alice")
    keyboard = alice.page.keyboard
    await keyboard.press("m")
    await expect(alice.page.get_by_role("menuitemradio", name="Unavailable")).to_be_focused()
    await keyboard.press("ArrowUp")
    await expect(alice.page.get_by_role("menuitemradio", name="Available", exact=False).first).to_be_focused()
    await keyboard.press("Enter")
    await alice.hears("Your activity is now Available")

    await task(desk, "First")
    await alice.sees("First", "Offer")
    await keyboard.press("a")
    await alice.sees("First", "In work")
    await back(desk, "bob")
    await keyboard.press("t")
    dialog = alice.page.get_by_role("dialog")
    await expect(dialog.get_by_label("bob")).to_be_visible()
    await keyboard.type("bo")
    await keyboard.press("Tab")
    await keyboard.press("Space")
    await keyboard.press("Enter")
    await alice.sees("First", "Handing on to bob")
    await keyboard.press("x")
    await alice.sees("First", "You took the transfer to bob back.")
    await keyboard.press("w")
    await alice.sees("First", "Wrapping up")
    await keyboard.press("c")
    await alice.has()
    await away(desk, "bob")
    await task(desk, "Second")
    await alice.sees("Second", "Offer")
    await keyboard.press("r")
    await alice.hears("Rejected: Second")


async def test_of_several_tasks_the_chosen_one_is_meant(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    path = f"{desk.path}/Workers/{desk.workers['alice']}/Channels/default"
    await desk.rest("POST", path, Capacity=2)
    alice = await arrive(browser, desk, "alice")
    for title in ("One", "Two"):
        await task(desk, title)
        await alice.press(title, "Accept")
        await alice.sees(title, "In work")
    await expect(alice.card("Two")).to_be_focused()
    await alice.page.locator("#work").focus()
    await alice.page.keyboard.press("c")
    await expect(alice.page.locator("#said-politely")).to_have_text("Choose a task first, with j and k.")
    await alice.page.keyboard.press("j")
    await expect(alice.card("One")).to_be_focused()
    await alice.page.keyboard.press("j")
    await alice.page.keyboard.press("c")
    await alice.has("One")
    await expect(alice.card("One")).to_be_focused()


async def test_keys_do_nothing_while_somebody_types_and_can_be_turned_off(
    browser: Browser, desk: Desk
) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "Careful")
    await alice.sees("Careful", "Offer")
    await alice.page.get_by_label("Keys are on").uncheck()
    await alice.page.reload()
    await alice.sees("Careful", "Offer")
    await expect(alice.page.get_by_label("Keys are on")).not_to_be_checked()
    await alice.page.keyboard.press("r")
    await alice.page.get_by_label("Keys are on").check()
    await alice.page.keyboard.press("Control+r")
    await alice.sees("Careful", "Offer")
    await alice.page.keyboard.press("a")
    await alice.sees("Careful", "In work")
    await alice.page.keyboard.press("t")
    await alice.page.keyboard.type("cwx")
    await expect(alice.page.get_by_label("Find by name")).to_have_value("cwx")
    await alice.page.keyboard.press("Escape")
    await alice.sees("Careful", "In work")


async def full(browser: Browser, desk: Desk, **options: Any) -> Person:
    """A desk with an offer, a task that is being handed on, and a failure."""
    await away(desk, "bob")
    for channel in ("default", "chat"):
        path = f"{desk.path}/Workers/{desk.workers['alice']}/Channels/{channel}"
        await desk.rest("POST", path, Capacity=2)
    alice = await arrive(browser, desk, "alice", **options)
    await task(desk, "In hand", link="https://shop.example.org/1", notes="a" * 300)
    await alice.press("In hand", "Accept")
    await back(desk, "bob")
    await alice.hand_on("In hand", "bob")
    await alice.sees("In hand", "Handing on to bob")
    await away(desk, "bob")
    await task(desk, "An offer")
    await alice.sees("An offer", "Offer")
    return alice


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_axe_finds_nothing_wrong(browser: Browser, desk: Desk, scheme: str) -> None:
    look = {"color_scheme": scheme, "reduced_motion": "reduce"}
    page = await browser.open(f"{desk.daemon.url}/desk", **look)
    await page.get_by_label("access token").fill("nonsense")
    await page.keyboard.press("Enter")
    await expect(page.locator("#sign-in-error")).to_be_visible()
    assert await violations(page) == []

    alice = await full(browser, desk, **look)
    assert await violations(alice.page) == []
    await alice.page.get_by_role("button", name="Activity").click()
    assert await violations(alice.page) == []
    await alice.page.keyboard.press("Escape")
    await alice.press("An offer", "Accept")
    await alice.press("An offer", "Transfer…")
    await expect(alice.page.get_by_label("bob")).to_be_visible()
    assert await violations(alice.page) == []


async def test_on_a_phone_nothing_is_cut_off(browser: Browser, desk: Desk) -> None:
    alice = await full(browser, desk, viewport=PHONE, has_touch=True)
    assert await violations(alice.page) == []
    width = await alice.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    for button in await alice.page.get_by_role("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    await alice.offer("An offer").get_by_role("button", name="Accept").tap()
    await alice.sees("An offer", "In work")


async def test_what_attributes_say_is_text_and_nothing_else(browser: Browser, desk: Desk) -> None:
    alice = await arrive(browser, desk, "alice")
    await away(desk, "bob")
    bad = "<img src=x onerror=alert(1)>"
    await task(desk, bad, link="javascript:alert(1)", **{bad: bad})
    await alice.sees(bad, "javascript:alert(1)")
    await expect(alice.card(bad).locator("img, a")).to_have_count(0)
    await expect(alice.page).to_have_title(re.compile("onerror"))
