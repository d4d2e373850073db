"""The core hands tasks on as the naive router does: worlds in which transfers are most of what happens."""

from collections import Counter
from random import Random
from typing import Any

import pytest

from engine.routing import commands as c
from engine.routing.commands import Command
from engine.routing.entities import ReservationStatus, TaskOrder, TaskStatus, TransferMode
from tests.model.side_by_side import SideBySide, numbered_sids

R, T = ReservationStatus, TaskStatus

QUEUES = tuple(f"WQ{number:032x}" for number in (1, 2))
WORKFLOWS = tuple(f"WW{number:032x}" for number in (1, 2))
OFFLINE, AVAILABLE, UNAVAILABLE = (f"WA{number:032x}" for number in (1, 2, 3))
STEPS = 60
WORLDS = 15


class Handing:
    """One world: four workers, two queues, two workflows, and a random history of it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.mint = numbered_sids()
        self.team = [self.mint("WK") for _ in range(4)]
        self.worlds = SideBySide(
            single_tasking=self.random.random() < 0.15,
            lifo_first=self.random.random() < 0.3,
            assignment_count_max=self.random.choice((1_000, 4, 7)),
        )
        self.done: Counter[str] = Counter()
        for command in self.furniture():
            self.worlds.batch(command)

    def furniture(self) -> list[Command]:
        draw = self.random.choice
        queues = [
            c.CreateTaskQueue(
                sid,
                sid,
                draw(("1==1", "1==1", "level > 1", "")),
                draw((1, 1, 2)),
                draw(list(TaskOrder)),
                draw((None, UNAVAILABLE)),
                draw((None, None, OFFLINE)),
            )
            for sid in QUEUES
        ]
        workers: list[Command] = []
        for number, sid in enumerate(self.team):
            workers.append(c.CreateWorker(sid, f"w{number}", f'{{"level": {number}}}', AVAILABLE))
            workers.append(c.UpdateWorkerChannel(sid, "default", draw((1, 2, 3))))
        workflows = [
            c.CreateWorkflow(sid, sid, self.configuration(), task_reservation_timeout_s=draw((3, 10, 30)))
            for sid in WORKFLOWS
        ]
        timeout = c.UpdateWorkspace(timeout_activity_sid=draw((AVAILABLE, AVAILABLE, OFFLINE)))
        return [timeout, *queues, *workers, *workflows]

    def configuration(self) -> str:
        one, two, last = (self.random.choice(QUEUES) for _ in range(3))
        steps = f'{{"queue": "{one}", "timeout": 5}}, {{"queue": "{two}", "timeout": 20}}'
        filters = f'"filters": [{{"expression": "1==1", "targets": [{steps}]}}], '
        some = self.random.choice(("", filters))
        return f'{{"task_routing": {{{some}"default_filter": {{"queue": "{last}"}}}}}}'

    def step(self) -> None:
        """Let something happen: a command, time, or a restart."""
        draw = self.random.choices(list(_DRAWS), list(_DRAWS.values()))[0]
        command = draw(self)
        if command is None:
            return
        after_ms = 0 if self.worlds.batch_is_open else self.random.choice((0, 0, 0, 1, 500, 1_000, 2_000))
        self.worlds.batch(command, after_ms, more=self.random.random() < 0.15)
        self.done.update(event for event, _ in self.worlds.reference.log)

    def things(self, kind: str, *statuses: str) -> list[dict[str, Any]]:
        found = self.worlds.reference.w[kind].values()
        return [thing for thing in found if not statuses or thing["status"] in statuses]

    def one(self, kind: str, *statuses: str) -> dict[str, Any] | None:
        things = self.things(kind, *statuses)
        return self.random.choice(things) if things else None

    # What may happen

    def create_task(self) -> Command:
        draw = self.random.choice
        target = draw((None, None, None, draw(self.team), draw(QUEUES)))
        return c.CreateTask(
            self.mint("WT"),
            workflow_sid=draw(WORKFLOWS),
            priority=draw((0, 3)),
            timeout_s=draw((20, 60, 86_400)),
            routing_target=target,
        )

    def accept(self) -> Command | None:
        offer = self.one("reservations", "pending")
        return offer and c.UpdateReservation(offer["sid"], R.ACCEPTED)

    def refuse(self) -> Command | None:
        offer = self.one("reservations", "pending")
        if offer is None or self.random.random() < 0.5:
            return offer and c.AssignmentCallbackFailed(offer["sid"], "no answer")
        activity = self.random.choice((None, None, UNAVAILABLE))
        return c.UpdateReservation(offer["sid"], R.REJECTED, activity_sid=activity)

    def transfer(self) -> Command | None:
        task = self.one("tasks", "assigned")
        if task is None:
            return None
        held = [r for r in self.things("reservations", "accepted", "wrapping") if r["task"] == task["sid"]]
        return c.CreateTransfer(
            self.mint("TT"),
            task["sid"],
            self.random.choice([*self.team, *QUEUES]),
            self.random.choice(held)["sid"] if held else None,
            mode=self.random.choice(list(TransferMode)),
            priority=self.random.choice((None, None, 9)),
        )

    def take_back(self) -> Command | None:
        transfers = self.things("transfers")[-4:]
        chosen = self.random.choice(transfers) if transfers else None
        return chosen and c.CancelTransfer(chosen["sid"], chosen["task"])

    def let_go(self) -> Command | None:
        held = self.one("reservations", "accepted", "wrapping")
        return held and c.UpdateReservation(held["sid"], self.random.choice((R.WRAPPING, R.COMPLETED)))

    def end_task(self) -> Command | None:
        task = self.one("tasks", "assigned", "wrapping", "reserved", "pending")
        if task is None or self.random.random() < 0.2:
            return task and c.DeleteTask(task["sid"])
        status = self.random.choice((T.COMPLETED, T.WRAPPING, T.CANCELED))
        return c.UpdateTask(task["sid"], assignment_status=status)

    def change_task(self) -> Command | None:
        task = self.one("tasks", "assigned", "reserved", "pending")
        draw = self.random.choice
        return task and c.UpdateTask(
            task["sid"], priority=draw((0, 5)), task_channel=draw(("default", "voice"))
        )

    def move_worker(self) -> Command:
        activity = self.random.choice((AVAILABLE, AVAILABLE, AVAILABLE, OFFLINE))
        return c.UpdateWorker(self.random.choice(self.team), activity_sid=activity)

    def replace_worker(self) -> Command:
        seat = self.random.randrange(len(self.team))
        if self.team[seat] in self.worlds.reference.w["workers"]:
            return c.DeleteWorker(self.team[seat])
        self.team[seat] = self.mint("WK")
        return c.CreateWorker(self.team[seat], f"w{seat}", '{"level": 2}', AVAILABLE)

    def reconfigure(self) -> Command:
        draw = self.random.choice
        commands: tuple[Command, ...] = (
            c.UpdateWorkflow(
                draw(WORKFLOWS),
                configuration=self.configuration(),
                re_evaluate_tasks=self.random.random() < 0.5,
            ),
            c.DeleteWorkflow(WORKFLOWS[1]),
            c.DeleteTaskQueue(draw(QUEUES)),
            c.UpdateTaskQueue(draw(QUEUES), target_workers=draw(("1==1", "level > 1"))),
        )
        return draw(commands)

    def wait(self) -> None:
        if self.random.random() < 0.5:
            offset, at_most_ms = self.random.choice((-1, 0, 1)), self.random.choice((10_000, 100_000_000))
            self.worlds.wait_for_deadline(offset, at_most_ms)
        else:
            self.worlds.wait(self.random.choice((1_000, 5_000, 30_000)))

    def restart(self) -> None:
        self.worlds.restart()


_DRAWS = {
    Handing.create_task: 12,
    Handing.accept: 22,
    Handing.refuse: 10,
    Handing.transfer: 18,
    Handing.take_back: 5,
    Handing.let_go: 13,
    Handing.end_task: 4,
    Handing.change_task: 2,
    Handing.move_worker: 6,
    Handing.replace_worker: 1,
    Handing.reconfigure: 1,
    Handing.wait: 5,
    Handing.restart: 1,
}


@pytest.mark.parametrize("first", [0, 1_000])
def test_transfers_end_as_the_naive_router_ends_them(first: int) -> None:
    done: Counter[str] = Counter()
    for seed in range(first, first + WORLDS):
        handing = Handing(seed)
        for _ in range(STEPS):
            handing.step()
        done += handing.done
    for ending in ("attempt-failed", "completed", "failed", "canceled"):
        assert done[f"task.transfer-{ending}"] > 0, f"no transfer of these worlds has {ending}"
