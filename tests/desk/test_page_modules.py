"""What the page's modules hold to when things come in another order than they happened."""

from pathlib import Path
from typing import Any

from tests.bridge.support import Desk
from tests.desk.browser import Browser

SCRIPTS = Path(__file__).parent / "scripts"


async def evaluated(browser: Browser, desk: Desk, name: str) -> Any:
    script = (SCRIPTS / name).read_text()
    page = await browser.open(f"{desk.daemon.url}/desk")
    return await page.evaluate(script)


async def test_an_older_version_never_replaces_a_newer_one(browser: Browser, desk: Desk) -> None:
    found = await evaluated(browser, desk, "store.js")
    accepted = [1, "accepted", 1, None]
    assert found["answer_then_event"] == [*accepted, ["offer", "accepted"]]
    assert found["event_then_answer"] == [*accepted, ["offer", "accepted"]]
    assert found["late_offer"] == [*accepted, []]
    assert found["late_end"] == [0, None, None, None, []]
    assert found["old_task"] == [*accepted, []]
    assert found["transfer_over_meanwhile"] == [*accepted, []]
    told = ["transfer-initiated", "transfer-failed"]
    assert found["transfer_known_over"] == [*accepted[:3], "failed", told]
    assert found["gone_meanwhile"] == [0, None, None, None, ["offer", "gone"]]


async def test_the_servers_time_is_found_whatever_this_computers_clock_says(
    browser: Browser, desk: Desk
) -> None:
    found = await evaluated(browser, desk, "clock.js")
    for clocks in ("none", "fast", "slow"):
        assert 0 <= found[clocks] <= 120, found
    assert 0 <= found["one"] <= 1_080
    assert 0 <= found["set"] <= 1_080
