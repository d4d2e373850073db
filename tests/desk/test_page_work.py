"""What workers do at the desk, in a browser: offers, tasks, activity, transfers."""

import asyncio
import re

from tests.bridge.support import Desk
from tests.desk.browser import Browser, expect
from tests.desk.person import arrive, away, back, task, workflow


async def test_two_workers_hand_a_task_on_and_complete_it(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice, bob = await asyncio.gather(arrive(browser, desk, "alice"), arrive(browser, desk, "bob"))
    sid = await task(desk, "Parcel is late", customer={"name": "Mina", "vip": True}, items=["a", "b"])
    await alice.sees("Parcel is late", "customer / name", "Mina", "yes", "a, b", "Everyone", "priority 0")
    await alice.press("Parcel is late", "Accept")
    await alice.sees("Parcel is late", "In work")

    await back(desk, "bob")
    await alice.hand_on("Parcel is late", "bob")
    await alice.sees("Parcel is late", "Handing on to bob (warm): nobody has accepted yet…")
    await bob.sees("Parcel is late", "Handed on by alice")
    await bob.press("Parcel is late", "Accept")
    await alice.sees("Parcel is late", "Handed on to bob (warm): accepted.")

    await alice.press("Parcel is late", "Wrap up")
    await alice.sees("Parcel is late", "Wrapping up")
    await alice.press("Parcel is late", "Complete")
    await alice.has()
    await bob.press("Parcel is late", "Complete")
    await bob.has()
    assert (await desk.rest("GET", f"{desk.path}/Tasks/{sid}"))["assignment_status"] == "completed"


async def test_an_offer_counts_down_and_is_gone_when_its_time_is_over(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "Nobody answers", workflow=await workflow(desk, 8))
    timer = alice.offer("Nobody answers").get_by_role("timer")
    await expect(timer).to_have_text(re.compile(r"^\d s$"))
    first = await timer.inner_text()
    await expect(timer).not_to_have_text(first)
    assert await timer.inner_text() < first
    await alice.hears("Not answered in time: Nobody answers")
    await alice.has()
    await expect(alice.page.get_by_role("button", name="Activity")).to_contain_text("Offline")


async def test_a_clock_that_is_an_hour_fast_does_not_shorten_an_offer(browser: Browser, desk: Desk) -> None:
    await away(desk, "alice", "bob")
    profile = await browser.profile()
    await profile.add_init_script("const real = Date.now; Date.now = () => real() + 3600_000;")
    page = await browser.tab(profile, f"{desk.daemon.url}/desk")
    await page.get_by_label("access token").fill(desk.token("alice", exp=4_000_000_000))
    await page.keyboard.press("Enter")
    await expect(page.locator("#connection")).to_have_text("Connected")
    await back(desk, "alice")
    await task(desk, "Plenty of time")
    await expect(page.get_by_role("timer")).to_contain_text(re.compile(r"1:[345]\d"))


async def test_a_rejected_offer_goes_to_the_next_worker(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "Not for me")
    await alice.press("Not for me", "Reject")
    await alice.hears("Rejected: Not for me")
    await alice.has()
    await back(desk, "bob")
    bob = await arrive(browser, desk, "bob")
    await bob.sees("Not for me", "Offer")


async def test_an_offer_is_announced_once_with_its_time_and_stands_in_the_title(
    browser: Browser, desk: Desk
) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await expect(alice.page).to_have_title("alice · Worker desk")
    await task(desk, "Listen")
    said = alice.page.locator("#said-at-once")
    await expect(said).to_have_text(re.compile(r"New offer: Listen\. 1(20|1\d) seconds to answer\."))
    await expect(alice.page).to_have_title("(1) Listen · Worker desk")
    await alice.press("Listen", "Accept")
    await expect(alice.page).to_have_title("alice · Worker desk")


async def test_capacity_follows_offers_and_tasks(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    channel = f"{desk.path}/Workers/{desk.workers['alice']}/Channels/default"
    await desk.rest("POST", channel, Capacity=3)
    alice = await arrive(browser, desk, "alice")
    shown = alice.page.locator("#channels li", has_text="default").locator(".hint")
    await expect(shown).to_have_text("0 of 3 in use")
    await task(desk, "One")
    await expect(shown).to_have_text("1 of 3 in use")
    await alice.press("One", "Accept")
    await task(desk, "Two")
    await expect(shown).to_have_text("2 of 3 in use")
    await desk.rest("POST", channel, Capacity=5)
    await expect(shown).to_have_text("2 of 5 in use")
    await alice.press("One", "Complete")
    await expect(shown).to_have_text("1 of 5 in use")
    await desk.rest("POST", channel, Available="false")
    await expect(shown).to_have_text("turned off")


async def test_going_away_can_reject_what_is_offered(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "Too late")
    await alice.sees("Too late", "Offer")
    await alice.page.get_by_role("button", name="Activity").click()
    reject = alice.page.get_by_role("menuitemcheckbox")
    await expect(reject).to_have_attribute("aria-checked", "true")
    await alice.page.get_by_role("menuitemradio", name="Unavailable").click()
    await alice.hears("Your activity is now Unavailable")
    await alice.has()
    await alice.page.get_by_role("button", name="Activity").click()
    await expect(reject).to_have_count(0)


async def test_what_the_server_refuses_is_told_and_nothing_changes(browser: Browser, desk: Desk) -> None:
    alice = await arrive(browser, desk, "alice")
    await away(desk, "bob")
    await task(desk, "Difficult")
    await alice.press("Difficult", "Accept")
    await alice.press("Difficult", "Transfer…")
    dialog = alice.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Transfer", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_have_text("Choose to whom the task goes.")
    await dialog.get_by_label("Find by name").fill("BO")
    await dialog.get_by_label("bob").check()
    await dialog.get_by_role("button", name="Transfer", exact=True).click()
    await expect(dialog.get_by_role("alert")).to_contain_text("available")
    await alice.page.keyboard.press("Escape")
    await expect(dialog).to_have_count(0)
    await alice.sees("Difficult", "In work", "Transfer…")


async def test_a_transfer_that_is_refused_or_taken_back_leaves_the_task(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "Hot potato")
    await alice.press("Hot potato", "Accept")
    await back(desk, "bob")
    bob = await arrive(browser, desk, "bob")
    await alice.hand_on("Hot potato", "bob")
    await bob.press("Hot potato", "Reject")
    await alice.sees("Hot potato", "Not handed on to bob.", "rejected")
    await alice.hand_on("Hot potato", "bob")
    await bob.sees("Hot potato", "Offer")
    await alice.press("Hot potato", "Cancel transfer")
    await alice.sees("Hot potato", "You took the transfer to bob back.", "In work")
    await bob.hears("Withdrawn: Hot potato")
    await alice.press("Hot potato", "Complete")
    await alice.has()


async def test_a_cold_transfer_to_a_queue_lets_its_worker_go_at_once(browser: Browser, desk: Desk) -> None:
    await away(desk, "bob")
    alice = await arrive(browser, desk, "alice")
    await task(desk, "For the others")
    await alice.press("For the others", "Accept")
    await alice.hand_on("For the others", "Everyone", mode="Cold", kind="A queue")
    await alice.sees("For the others", "Wrapping up", "Handing on to Everyone (cold)")
    await away(desk, "alice")
    await alice.press("For the others", "Complete")
    await alice.has()
    await back(desk, "bob")
    bob = await arrive(browser, desk, "bob")
    await bob.press("For the others", "Accept")
    await alice.hears("The transfer to Everyone was accepted")
    await bob.press("For the others", "Complete")
    await bob.has()
