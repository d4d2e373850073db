"""A transfer survives a lost commit in the middle, and what has ended says so from its row."""

import pytest

from engine.errors import Unavailable
from engine.routing.commands import CancelTransfer, CreateTransfer, UpdateReservation, UpdateTask
from engine.routing.entities import ReservationStatus, TaskStatus, TransferStatus
from engine.routing.errors import NotFound, Refused, VersionMismatch
from tests.runtime.support import Fault, Node

R = ReservationStatus


class Handed:
    """A task that its first worker has accepted and transferred to the second."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def begin(self) -> None:
        self.ws = await self.node.workspace()
        self.ann = (await self.node.available_worker(self.ws, "ann")).sid
        self.task = (await self.node.task(self.ws)).sid
        self.mine = await self.node.reservation_of(self.task)
        await self.node.submit(self.ws, UpdateReservation(self.mine, R.ACCEPTED))
        self.bob = (await self.node.available_worker(self.ws, "bob")).sid
        self.sid = self.node.mint("TT")
        await self.hand(self.sid)

    async def hand(self, sid: str, **options: str) -> None:
        named = {"reservation_sid": self.mine, **options}
        await self.node.submit(self.ws, CreateTransfer(sid, self.task, self.bob, **named))

    async def cancel(self, **options: int) -> None:
        await self.node.submit(self.ws, CancelTransfer(self.sid, self.task, **options))

    def theirs(self) -> str:
        """Return the SID of the offer of the transfer."""
        events = self.node.recorder.events
        return next(
            event.reservation_sid or ""
            for event in reversed(events)
            if event.event_type == "reservation.created" and event.worker_sid == self.bob
        )

    async def complete(self) -> None:
        done = UpdateTask(self.task, assignment_status=TaskStatus.COMPLETED)
        await self.node.submit(self.ws, done)


@pytest.fixture
async def handed(node: Node) -> Handed:
    handed = Handed(node)
    await handed.begin()
    return handed


async def test_an_open_transfer_goes_on_from_its_rows(handed: Handed) -> None:
    node = handed.node
    node.store.faults.append(Fault.NOT_WRITTEN)
    with pytest.raises(Unavailable):
        await node.task(handed.ws)
    await node.serving(handed.ws)
    with pytest.raises(Refused, match="Cancel the transfer first"):
        await handed.complete()
    await node.submit(handed.ws, UpdateReservation(handed.theirs(), R.ACCEPTED))
    rows = await node.store.load(handed.ws)
    assert [transfer.status for transfer in rows.transfers] == [TransferStatus.COMPLETE]
    assert sorted(r.status for r in rows.reservations) == [R.ACCEPTED, R.ACCEPTED]


async def test_a_lost_outcome_can_be_asked_for_again(handed: Handed) -> None:
    node = handed.node
    node.store.faults.append(Fault.NOT_WRITTEN)
    with pytest.raises(Unavailable):
        await handed.cancel()
    await node.serving(handed.ws)
    await handed.cancel()
    rows = await node.store.load(handed.ws)
    assert [transfer.status for transfer in rows.transfers] == [TransferStatus.CANCELED]


async def test_a_transfer_of_a_finished_task_says_what_became_of_it(handed: Handed) -> None:
    await handed.cancel()
    await handed.complete()
    with pytest.raises(Refused, match=f"Transfer {handed.sid} is already canceled . Cannot cancel transfer."):
        await handed.cancel()
    with pytest.raises(VersionMismatch, match="has version 1, If-Match names 7"):
        await handed.cancel(if_match=7)
    with pytest.raises(Refused, match="because its status is completed, not assigned"):
        await handed.hand(handed.node.mint("TT"))
    handed.node.clock.ahead_ms += 301_000
    for again in (handed.cancel(), handed.hand(handed.node.mint("TT"))):
        with pytest.raises(NotFound):
            await again


async def test_what_never_was_is_not_found(handed: Handed) -> None:
    node = handed.node
    await handed.cancel()
    for command in (
        CancelTransfer("TT" + "0" * 32, handed.task),
        CancelTransfer(handed.sid, "WT" + "0" * 32),
        CancelTransfer(handed.sid, handed.task, worker_sid=handed.bob),
        CreateTransfer(node.mint("TT"), "WT" + "0" * 32, handed.bob),
        CreateTransfer(node.mint("TT"), handed.task, handed.bob, "WR" + "0" * 32),
    ):
        with pytest.raises(NotFound):
            await node.submit(handed.ws, command)


async def test_an_ended_reservation_is_not_transferred_from(handed: Handed) -> None:
    theirs = handed.theirs()
    await handed.cancel()
    with pytest.raises(Refused, match=f"because reservation {theirs} is canceled"):
        await handed.hand(handed.node.mint("TT"), reservation_sid=theirs)
    with pytest.raises(NotFound):
        await handed.hand(handed.node.mint("TT"), reservation_sid=theirs, worker_sid=handed.ann)
