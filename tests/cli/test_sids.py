"""SIDs sort in the order they were minted, whatever the clock does: lists page by SID."""

import pytest

from engine import sids


def test_sids_sort_as_they_were_minted_and_none_comes_twice() -> None:
    mint = sids.time_ordered_sids()
    minted = [mint("WT") for _ in range(100_000)]
    assert minted == sorted(minted)
    assert len(set(minted)) == len(minted)
    assert all(sids.is_sid(sid, "WT") for sid in minted[::1000])


def test_sids_sort_on_while_the_clock_stands_and_the_counter_runs_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sids.time, "time_ns", lambda: 1_700_000_000_000_000_000)
    monkeypatch.setattr(sids, "_BLOCKS", 3)
    mint = sids.time_ordered_sids()
    minted = [mint("WT") for _ in range(5 * 256)]
    assert minted == sorted(minted)
    assert len(set(minted)) == len(minted)
    assert {len(sid) for sid in minted} == {34}
