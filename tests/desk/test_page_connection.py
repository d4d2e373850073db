"""The desk over reloads, tabs, restarts and ends of tokens: nothing is lost, and it says how things are."""

import asyncio
import re

import pytest

from engine.storage.embedded import EmbeddedPostgres
from tests.bridge.support import Desk
from tests.desk.browser import Browser, expect
from tests.desk.person import Person, arrive, away, task
from tests.desk.support import COOKIE, link_for
from tests.support.fixtures import StartDaemon


async def test_the_link_leaves_the_address_and_works_once(browser: Browser, desk: Desk) -> None:
    url = await link_for(desk)
    profile = await browser.profile()
    alice = Person(await browser.tab(profile, url))
    await alice.is_connected()
    assert alice.page.url == f"{desk.daemon.url}/desk"
    await alice.page.go_back()
    assert alice.page.url == "about:blank"
    assert [cookie["httpOnly"] for cookie in await profile.cookies() if cookie["name"] == COOKIE] == [True]
    second = await browser.open(url)
    await expect(second.locator("#sign-in-error")).to_contain_text("a link works once")
    assert second.url == f"{desk.daemon.url}/desk"


async def test_an_old_link_opened_again_does_not_sign_out(browser: Browser, desk: Desk) -> None:
    url = await link_for(desk)
    profile = await browser.profile()
    alice = Person(await browser.tab(profile, url))
    await alice.is_connected()
    again = Person(await browser.tab(profile, url))
    await again.is_connected()
    await expect(again.page.locator("#failures")).to_contain_text("You are still signed in.")


async def test_no_address_that_the_page_asks_for_has_the_link(browser: Browser, desk: Desk) -> None:
    url = await link_for(desk)
    profile = await browser.profile()
    page = await profile.new_page()
    asked: list[str] = []
    referrers: list[str | None] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("request", lambda request: referrers.append(request.headers.get("referer")))
    await page.goto(url)
    await Person(page).is_connected()
    secret = url.partition("#link=")[2]
    assert not [each for each in asked[1:] if secret in each]
    assert not any(referrers)


async def test_a_reload_and_a_second_tab_show_the_same(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    profile = await browser.profile()
    alice = Person(await browser.tab(profile, await link_for(desk)))
    await task(desk, "Still here")
    await alice.press("Still here", "Accept")
    await alice.sees("Still here", "In work")
    await alice.page.reload()
    await alice.sees("Still here", "In work")
    other = Person(await browser.tab(profile, f"{desk.daemon.url}/desk"))
    await other.sees("Still here", "In work")
    await other.press("Still here", "Complete")
    await alice.has()
    await alice.hears("Completed: Still here")


async def test_signing_out_in_one_tab_signs_the_others_out(browser: Browser, desk: Desk) -> None:
    profile = await browser.profile()
    alice = Person(await browser.tab(profile, await link_for(desk)))
    other = Person(await browser.tab(profile, f"{desk.daemon.url}/desk"))
    await other.is_connected()
    await alice.page.get_by_role("button", name="Sign out").click()
    await expect(alice.page.get_by_label("access token")).to_be_focused()
    await expect(other.page.locator("#sign-in-error")).to_have_text("You signed out in another tab.")
    await alice.page.reload()
    await expect(alice.page.get_by_label("access token")).to_be_visible()
    assert await profile.cookies() == []


async def test_a_task_goes_on_after_the_daemon_was_killed(
    browser: Browser, database: str, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(database_url=database)
    async with Desk(daemon) as desk:
        await away(desk, "bob")
        alice = await arrive(browser, desk, "alice")
        await task(desk, "Survivor")
        await alice.press("Survivor", "Accept")
        await alice.sees("Survivor", "In work")
        await asyncio.to_thread(daemon.kill)
        await expect(alice.page.locator("#lost")).to_contain_text("The connection is lost")
        await alice.press("Survivor", "Wrap up")
        await expect(alice.page.locator("#failures")).to_contain_text("The server does not answer.")
        await alice.sees("Survivor", "In work")
        await asyncio.to_thread(daemon.start)
        await alice.is_connected()
        await expect(alice.page.locator("#lost")).to_be_hidden()
        await alice.press("Survivor", "Complete")
        await alice.has()
        await expect(alice.page.locator("#failures")).to_be_empty()


async def test_what_ended_while_the_connection_was_lost_is_told(
    browser: Browser, database: str, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(database_url=database)
    async with Desk(daemon) as desk:
        await away(desk, "bob")
        alice = await arrive(browser, desk, "alice")
        sid = await task(desk, "Called off")
        await alice.sees("Called off", "Offer")
        await alice.page.context.set_offline(True)
        await asyncio.to_thread(daemon.stop)
        await expect(alice.page.locator("#lost")).to_be_visible()
        await asyncio.to_thread(daemon.start)
        await desk.rest("POST", f"{desk.path}/Tasks/{sid}", AssignmentStatus="canceled", Reason="no need")
        await task(desk, "Instead")
        await alice.page.context.set_offline(False)
        await alice.sees("Instead", "Offer")
        await alice.has("Instead")
        await alice.hears("No longer yours: Called off")


async def test_the_token_is_renewed_before_it_ends_and_the_socket_stays(
    browser: Browser, postgres: EmbeddedPostgres, database: str, start_daemon: StartDaemon
) -> None:
    short = {"POINTSMAN_DESK_TOKEN_S": "3", "POINTSMAN_BRIDGE_TOKEN_GRACE_S": "0.5"}
    daemon = start_daemon(database_url=database, settings=short)
    async with Desk(daemon) as desk:
        await away(desk, "bob")
        alice = await arrive(browser, desk, "alice")
        sockets: list[str] = []
        alice.page.on("websocket", lambda socket: sockets.append(socket.url))
        for _ in range(3):
            async with alice.page.expect_response(re.compile("/desk/token$")) as response:
                assert (await response.value).status == 200
        await task(desk, "Long after")
        await alice.press("Long after", "Accept")
        await alice.sees("Long after", "In work")
        assert sockets == []


@pytest.mark.parametrize(
    ("token", "message"),
    [("nonsense", "not an access token"), ("eyJhbGciOiJIUzI1NiJ9.e30.x", "not an access token")],
)
async def test_what_is_no_token_is_refused_at_once(
    browser: Browser, desk: Desk, token: str, message: str
) -> None:
    page = await browser.open(f"{desk.daemon.url}/desk")
    await page.get_by_label("access token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#sign-in-error")).to_contain_text(message)


async def test_a_pasted_token_stays_in_its_tab_until_it_is_refused(browser: Browser, desk: Desk) -> None:
    profile = await browser.profile()
    page = await browser.tab(profile, f"{desk.daemon.url}/desk")
    await page.get_by_label("access token").fill(f" {desk.token('alice')}\n")
    await page.get_by_role("button", name="Sign in").click()
    await Person(page).is_connected()
    await page.reload()
    await Person(page).is_connected()
    other = await browser.tab(profile, f"{desk.daemon.url}/desk")
    await expect(other.get_by_label("access token")).to_be_visible()
    await desk.rest("DELETE", f"{desk.path}/Workers/{desk.workers['alice']}")
    await expect(page.locator("#sign-in-error")).to_contain_text("You cannot work here")


async def test_an_expired_token_is_told_as_such(browser: Browser, desk: Desk) -> None:
    page = await browser.open(f"{desk.daemon.url}/desk")
    await page.get_by_label("access token").fill(desk.token("alice", exp=1_000_000_000))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("#sign-in-error")).to_contain_text("expire")
