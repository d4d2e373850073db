"""The rows in memory behave as the real store does: its own tests, and the same history in both.

The real store's tests take a `store`; here they get the one in memory.
"""

import copy
from collections.abc import Awaitable, Callable
from dataclasses import fields
from typing import Any

import pytest

from engine.ownership import Lease
from engine.routing.effects import Changes
from engine.routing.rows import WorkspaceRows
from engine.storage.store import PostgresStore
from tests.simulation import simulation
from tests.simulation.memory_store import MemoryStore
from tests.storage import test_commit, test_leases

SEED = 14
LEASE_S = 1e6
LOADS_APART = 20
"""The rows are compared after every so many batches."""


OF_ANY_STORE = (
    test_commit.test_a_callback_made_and_settled_in_one_batch_leaves_nothing,
    test_commit.test_a_commit_to_an_unknown_workspace_is_fenced,
    test_commit.test_a_commit_under_an_older_epoch_is_fenced_and_writes_nothing,
    test_commit.test_a_later_batch_replaces_what_changed,
    test_commit.test_a_removed_task_takes_reservations_and_callbacks_out_of_sight,
    test_commit.test_a_removed_workspace_is_not_loaded_nor_leased_again,
    test_commit.test_a_settled_callback_leaves_the_outbox,
    test_commit.test_an_impossible_row_undoes_the_whole_batch,
    test_commit.test_configurations_that_open_tasks_go_by_are_loaded,
    test_commit.test_every_configuration_saved_in_one_batch_is_kept,
    test_commit.test_every_kind_is_read_back_as_it_was_written,
    test_commit.test_finished_tasks_and_ended_reservations_are_not_live,
    test_commit.test_removed_entities_are_gone,
    test_commit.test_the_same_sid_in_two_workspaces_is_two_entities,
    test_leases.test_a_held_lease_is_not_given_to_another,
    test_leases.test_a_lost_lease_cannot_be_released,
    test_leases.test_a_released_lease_is_free_and_its_epoch_goes_on,
    test_leases.test_an_expired_lease_goes_to_another_under_a_new_epoch,
    test_leases.test_an_unknown_workspace_has_no_lease,
    test_leases.test_renewing_nothing_is_no_error,
    test_leases.test_renewing_prolongs_only_what_is_still_ours,
    test_leases.test_the_same_owner_gets_its_lease_again_under_a_new_epoch,
)


@pytest.mark.parametrize("rule", OF_ANY_STORE, ids=lambda rule: rule.__name__.removeprefix("test_"))
async def test_the_rows_in_memory_keep_the_rules_of_the_store(
    rule: Callable[[Any], Awaitable[None]],
) -> None:
    await rule(MemoryStore())


class Recording(MemoryStore):
    """Keeps a copy of every batch, and of the rows after it."""

    batches: list[tuple[str, Changes, WorkspaceRows | None]]

    def __init__(self) -> None:
        super().__init__()
        self.batches = []
        Recording.last = self

    def _write(self, sid: str, changes: Changes) -> None:
        kept = copy.deepcopy(changes)
        super()._write(sid, changes)
        self.batches.append((sid, kept, self.live_rows(sid)))


async def test_both_stores_hold_the_same_rows_all_through_a_history(
    real_store: PostgresStore, history: list[tuple[str, Changes, WorkspaceRows | None]]
) -> None:
    leases: dict[str, Lease] = {}
    for number, (sid, changes, rows) in enumerate(history):
        if sid not in leases:
            leases[sid] = await real_store.create_workspace("one", LEASE_S, changes)
        else:
            await real_store.commit(leases[sid], changes)
        if number % LOADS_APART == 0 or number == len(history) - 1:
            assert spelled_out(await real_store.load(sid)) == spelled_out(rows)


@pytest.fixture
def real_store(pools: Any) -> PostgresStore:
    return PostgresStore(pools)


@pytest.fixture(scope="module")
def history() -> list[tuple[str, Changes, WorkspaceRows | None]]:
    """Every batch of a simulated run, with the rows in memory after it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "MemoryStore", Recording)
        report = simulation.simulate(SEED, days=0.4)
    assert report.finding is None
    assert len(Recording.last.batches) > 100
    return Recording.last.batches


def spelled_out(rows: WorkspaceRows | None) -> dict[str, Any] | None:
    return None if rows is None else {item.name: getattr(rows, item.name) for item in fields(rows)}
