"""The audit of `pointsman chaos` finds what is wrong in a real history, and nothing in a sound one."""

import asyncio
from dataclasses import dataclass

import asyncpg
import pytest

from engine.chaos.audit import audit, open_tasks, wrong_statistics
from engine.chaos.promises import Promises
from engine.routing.commands import UpdateReservation, UpdateTask
from engine.routing.entities import ReservationStatus, TaskStatus
from tests.runtime.support import Node

NOBODY = "0" * 32


@dataclass
class History:
    """A worker with room for one task had one and completed it, and has accepted another."""

    dsn: str
    workspace_sid: str
    promises: Promises
    first: str
    second: str

    async def plant(self, change: str, where: str) -> None:
        """Change rows of the workspace behind everybody's back; `:first` and `:second` are the tasks."""
        for name, sid in ((":first", self.first), (":second", self.second)):
            where, change = where.replace(name, f"'{sid}'"), change.replace(name, f"'{sid}'")
        connection = await asyncpg.connect(self.dsn)
        try:
            done = await connection.execute(
                f"{change} WHERE workspace_sid = $1 AND {where}", self.workspace_sid
            )
        finally:
            await connection.close()
        assert not done.endswith(" 0"), "nothing was changed"


@pytest.fixture
async def history(database: str, node: Node) -> History:
    workspace = await node.workspace()
    await node.available_worker(workspace)
    first = await node.task(workspace, attributes='{"order": 1}')
    one = await node.reservation_of(first.sid)
    await node.submit(workspace, UpdateReservation(one, ReservationStatus.ACCEPTED, task_sid=first.sid))
    await node.submit(workspace, UpdateTask(first.sid, assignment_status=TaskStatus.COMPLETED))
    second = await node.task(workspace, attributes='{"order": 2}')
    two = await node.reservation_of(second.sid)
    await node.submit(workspace, UpdateReservation(two, ReservationStatus.ACCEPTED, task_sid=second.sid))
    promises = Promises({first.sid, second.sid}, {one, two}, {first.sid}, acknowledged=5)
    return History(database, workspace, promises, first.sid, second.sid)


async def test_a_sound_history_has_nothing_wrong(history: History) -> None:
    found = await audit(history.dsn, history.workspace_sid, history.promises)
    assert found.problems == []
    assert (found.acknowledged, found.lost, found.twice, found.breaches) == (5, 0, 0, 0)
    assert await open_tasks(history.dsn, history.workspace_sid) == 1
    assert await wrong_statistics(history.dsn, history.workspace_sid) == []


@pytest.mark.parametrize("promise", ["created", "accepted", "completed"])
async def test_what_was_acknowledged_and_is_not_there_is_lost(history: History, promise: str) -> None:
    getattr(history.promises, promise).add(f"WT{NOBODY}")
    found = await audit(history.dsn, history.workspace_sid, history.promises)
    assert (found.lost, found.twice, found.breaches) == (1, 0, 0)
    assert len(found.problems) == 1


TASKS = "UPDATE tasks SET"
EVENTS = "UPDATE events SET"
RESERVATIONS = "UPDATE reservations SET"
PLANTED = {
    # what was done: (change, of which rows, (lost, twice, breaches), a word of the problem)
    "a task without a row": ("DELETE FROM tasks", "sid = :second", (1, 0, 0), "tasks are missing"),
    "a task without its first event": (
        f"{EVENTS} event_type = 'task.updated'",
        "event_type = 'task.created' AND task_sid = :second",
        (1, 0, 0),
        "tasks are missing",
    ),
    "a completion that was undone": (
        f"{TASKS} status = 'assigned', date_finished_ms = NULL",
        "sid = :first",
        (1, 0, 0),
        "completions were lost",
    ),
    "a completion without an event": (
        f"{EVENTS} event_type = 'task.updated'",
        "event_type = 'task.completed'",
        (1, 0, 0),
        "completions were lost",
    ),
    "a second acceptance in the log": (
        f"{EVENTS} event_type = 'reservation.accepted', task_sid = :first",
        "event_type = 'worker.created'",
        (0, 1, 0),
        "assigned twice",
    ),
    "a second acceptance among the rows": (
        f"{RESERVATIONS} task_sid = :first",
        "task_sid = :second",
        (0, 1, 0),
        "assigned twice",
    ),
    "an order that became two tasks": (
        f"{EVENTS} data = replace(data, '2}}', '1}}')",
        "event_type = 'task.created' AND task_sid = :second",
        (0, 1, 0),
        "became two tasks",
    ),
    "an offer on top of a full channel": (
        f"{EVENTS} event_type = 'reservation.wrapup'",
        "event_type = 'reservation.completed'",
        (0, 0, 1),
        "beyond the capacity",
    ),
    "a channel that holds too much": (
        f"{RESERVATIONS} status = 'pending'",
        "task_sid = :first",
        (0, 0, 1),
        "hold too much",
    ),
    "an event that is missing": ("DELETE FROM events", "sequence = 1", (0, 0, 0), "gap"),
    "a counter that is behind the log": (
        "UPDATE workspaces SET event_sequence = event_sequence - 1",
        "true",
        (0, 0, 0),
        "gap",
    ),
    "an event from the past": (
        f"{EVENTS} event_date_ms = event_date_ms - 1000",
        "event_type = 'reservation.completed'",
        (0, 0, 0),
        "dated before",
    ),
}


@pytest.mark.parametrize("what", PLANTED)
async def test_what_is_planted_is_found(history: History, what: str) -> None:
    change, where, counts, words = PLANTED[what]
    await history.plant(change, where)
    found = await audit(history.dsn, history.workspace_sid, history.promises)
    assert (found.lost, found.twice, found.breaches) == counts
    assert [text for text in found.problems if words in text], found.problems


async def test_the_row_of_an_ended_task_may_be_gone(history: History) -> None:
    await history.plant("DELETE FROM tasks", "sid = :first")
    await history.plant("DELETE FROM reservations", "task_sid = :first")
    assert (await audit(history.dsn, history.workspace_sid, history.promises)).problems == []


async def test_statistics_that_the_log_does_not_bear_out_are_found(history: History) -> None:
    counts = ", ".join("0" for _ in range(13))
    await history.plant(
        "INSERT INTO statistics_counts"
        f" SELECT workspace_sid, workspace_sid, 60000, 0, 'TC', {counts} FROM workspaces",
        "true",
    )
    [problem] = await wrong_statistics(history.dsn, history.workspace_sid)
    assert "statistics_counts" in problem


async def test_the_load_can_go_on_during_an_audit(history: History, node: Node) -> None:
    """What is acknowledged after the promises were copied is no concern of this audit."""
    asked = asyncio.create_task(audit(history.dsn, history.workspace_sid, history.promises))
    await asyncio.sleep(0)
    history.promises.created.add(f"WT{NOBODY}")
    assert (await asked).problems == []
