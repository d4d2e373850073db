"""Transfers: an assigned task is handed to another worker or to a queue, WARM or COLD (behaviour §3)."""

import pytest

from engine.routing import commands as c
from engine.routing.deadlines import Due
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.entities import TransferMode, TransferStatus, TransferType
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.explain_views import Reason, RouteKind
from engine.routing.limits import RoutingLimits
from tests.routing.handed import Handed
from tests.routing.world import one, routing


@pytest.fixture
def world() -> Handed:
    return Handed()


def test_a_warm_transfer_offers_the_task_at_once_and_leaves_it_with_who_holds_it(world: Handed) -> None:
    view = world.hand(world.bob)
    assert (view.status, view.mode, view.type) == ("initiated", TransferMode.WARM, TransferType.WORKER)
    assert (view.initiating_worker_sid, view.initiating_reservation_sid) == (world.ann, world.held.sid)
    assert (view.initiating_queue_sid, view.initiating_workflow_sid) == (world.first, world.flow)
    assert world.is_at() == ("reserved", {"ann": "accepted", "bob": "pending"})
    assert world.of(world.bob).transfer_sid == view.sid
    assert world.told() == ["task.transfer-initiated", "reservation.created"]


def test_an_accepted_warm_transfer_is_complete_and_both_hold_the_task(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    assert world.is_at() == ("assigned", {"ann": "accepted", "bob": "accepted"})
    assert world.last.status is TransferStatus.COMPLETE
    assert world.told() == ["reservation.accepted", "task.transfer-completed"]
    assert world.data("reservation.accepted")["transfer_status"] == "complete"


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (R.REJECTED, "the reservation was rejected"),
        (R.TIMEOUT, "the reservation timed out"),
        (R.CANCELED, "the reservation was canceled"),
    ],
)
def test_an_unaccepted_offer_to_a_worker_fails_the_transfer(world: Handed, end: R, why: str) -> None:
    world.hand(world.bob)
    offer = world.of(world.bob)
    if end is R.REJECTED:
        world.answer(world.bob, R.REJECTED)
    elif end is R.TIMEOUT:
        world.wait(120)
    else:
        world.do(c.AssignmentCallbackFailed(offer.sid, "no answer"))
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert (world.last.status, world.last.failed_reason) == ("failed", f"Transfer failed because {why}")
    assert world.told() == [f"reservation.{end}", "task.transfer-failed", "task.updated"]
    assert world.data(f"reservation.{end}")["transfer_status"] == "failed"
    assert world.data("task.updated")["task_assignment_status"] == "assigned"


def test_the_same_worker_can_be_asked_again_after_a_refusal(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.REJECTED)
    world.hand(world.bob)
    assert world.is_at() == ("reserved", {"ann": "accepted", "bob": "pending"})
    assert [transfer.status for transfer in world.job.transfers] == ["failed", "initiated"]


def test_a_canceled_transfer_takes_its_offer_back(world: Handed) -> None:
    world.hand(world.bob)
    view = world.take_back()
    assert view.status is TransferStatus.CANCELED
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert world.told() == ["reservation.canceled", "task.transfer-canceled", "task.updated"]
    assert world.data("reservation.canceled")["task_assignment_status"] == "assigned"
    assert world.data("reservation.canceled")["transfer_status"] == "canceled"


def test_a_transfer_is_canceled_once(world: Handed) -> None:
    view = world.hand(world.bob)
    world.take_back()
    with pytest.raises(Refused) as refusal:
        world.take_back()
    assert refusal.value.message == f"Transfer {view.sid} is already canceled . Cannot cancel transfer."


@pytest.mark.parametrize("end", [R.ACCEPTED, R.REJECTED])
def test_a_transfer_with_an_outcome_is_not_canceled(world: Handed, end: R) -> None:
    view = world.hand(world.bob)
    world.answer(world.bob, end)
    status = "complete" if end is R.ACCEPTED else "failed"
    with pytest.raises(Refused, match=f"{view.sid} is already {status} . Cannot cancel transfer."):
        world.take_back()


def test_only_who_began_a_transfer_cancels_it_by_the_worker_route(world: Handed) -> None:
    world.hand(world.bob)
    with pytest.raises(NotFound):
        world.take_back(worker_sid=world.bob)
    world.take_back(worker_sid=world.ann)
    assert world.last.status is TransferStatus.CANCELED


def test_if_match_must_name_the_version_of_the_transfer(world: Handed) -> None:
    world.hand(world.bob)
    with pytest.raises(VersionMismatch):
        world.take_back(if_match=7)
    assert world.take_back(if_match=0).version == 1


def test_a_cold_transfer_wraps_up_at_once_and_may_be_completed_while_it_is_open(world: Handed) -> None:
    world.cold(world.bob)
    assert world.is_at() == ("reserved", {"ann": "wrapping", "bob": "pending"})
    assert world.told() == ["task.transfer-initiated", "reservation.wrapup", "reservation.created"]
    world.answer(world.ann, R.COMPLETED)
    assert world.is_at() == ("reserved", {"bob": "pending"})
    assert "task.completed" not in world.events
    world.answer(world.bob, R.ACCEPTED)
    assert world.is_at() == ("assigned", {"bob": "accepted"})
    assert world.last.status is TransferStatus.COMPLETE


@pytest.mark.parametrize("status", [R.WRAPPING, R.COMPLETED])
def test_who_began_a_warm_transfer_stays_until_its_outcome(world: Handed, status: R) -> None:
    world.hand(world.bob)
    with pytest.raises(Refused, match=r"Cannot .* reservation WR.* because its transfer TT.* is initiated"):
        world.answer(world.ann, status)
    with pytest.raises(Refused, match=r"Cannot .* task WT.* because its transfer TT.* is initiated"):
        world.do(c.UpdateTask(world.wt, assignment_status=T(str(status))))
    world.take_back()
    world.answer(world.ann, status)


def test_a_held_task_is_not_canceled_while_it_is_transferred(world: Handed) -> None:
    world.hand(world.bob)
    with pytest.raises(Refused, match="Cannot cancel task"):
        world.cancel(world.wt)


def test_a_transferred_task_that_nobody_holds_can_be_canceled(world: Handed) -> None:
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.cancel(world.wt)
    assert world.status(world.wt) is None
    assert world.changes.transfers[world.changes.events[0].data["transfer_sid"]].status == "canceled"
    assert [kind for kind in world.told() if kind != "task.updated"] == [
        "reservation.canceled",
        "task.transfer-canceled",
        "task.canceled",
    ]


def test_a_transfer_to_a_queue_is_offered_to_whom_the_queue_takes(world: Handed) -> None:
    view = world.hand(world.second)
    assert view.type is TransferType.QUEUE
    assert world.is_at() == ("reserved", {"ann": "accepted", "bob": "pending"})
    assert world.queue_of(world.wt) == "second"
    assert world.told() == [
        "task.transfer-initiated",
        "task-queue.moved",
        "task-queue.entered",
        "reservation.created",
    ]
    world.answer(world.bob, R.ACCEPTED)
    assert world.last.status is TransferStatus.COMPLETE
    assert world.queue_of(world.wt) == "second"


def test_a_refused_attempt_is_told_and_the_next_is_offered_the_task(world: Handed) -> None:
    world.hand(world.second)
    world.answer(world.bob, R.REJECTED)
    assert world.is_at() == ("reserved", {"ann": "accepted", "cai": "pending"})
    assert world.last.status is TransferStatus.INITIATED
    assert world.told() == ["reservation.rejected", "task.transfer-attempt-failed", "reservation.created"]
    assert world.data("reservation.rejected")["transfer_status"] == "initiated"


def test_a_transfer_to_a_queue_waits_for_who_is_free_and_the_task_is_assigned_meanwhile(
    world: Handed,
) -> None:
    for sid in (world.bob, world.cai):
        world.activity(sid, "Offline")
    world.hand(world.second)
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    world.activity(world.cai, "Available")
    assert world.is_at() == ("reserved", {"ann": "accepted", "cai": "pending"})


def test_a_refused_worker_is_offered_the_transfer_again_after_a_pause(world: Handed) -> None:
    world.activity(world.cai, "Offline")
    world.hand(world.second)
    world.answer(world.bob, R.REJECTED)
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    world.wait(1)
    assert world.is_at() == ("reserved", {"ann": "accepted", "bob": "pending"})


def test_a_canceled_transfer_to_a_queue_goes_back_to_the_queue_it_came_from(world: Handed) -> None:
    for sid in (world.bob, world.cai):
        world.activity(sid, "Offline")
    world.hand(world.second)
    world.wait(5)
    world.take_back()
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert world.queue_of(world.wt) == "first"
    assert world.job.task_queue_entered_ms == world.now_ms
    assert world.told() == ["task.transfer-canceled", "task-queue.moved", "task-queue.entered"]
    world.activity(world.bob, "Available")
    assert world.is_at() == ("assigned", {"ann": "accepted"})


def test_a_round_of_a_transfer_has_as_many_offers_as_its_queue_says(world: Handed) -> None:
    world.do(c.UpdateTaskQueue(world.second, max_reserved_workers=2))
    world.hand(world.second)
    assert world.holders() == {"ann": "accepted", "bob": "pending", "cai": "pending"}
    world.answer(world.bob, R.REJECTED)
    assert "task.transfer-attempt-failed" not in world.events
    world.answer(world.cai, R.ACCEPTED)
    assert world.is_at() == ("assigned", {"ann": "accepted", "cai": "accepted"})


def test_the_other_offers_of_a_transfer_are_rescinded_and_who_holds_the_task_keeps_it(
    world: Handed,
) -> None:
    world.do(c.UpdateTaskQueue(world.second, max_reserved_workers=2))
    world.hand(world.second)
    world.answer(world.cai, R.ACCEPTED)
    assert world.told() == ["reservation.accepted", "reservation.rescinded", "task.transfer-completed"]
    assert world.holders() == {"ann": "accepted", "cai": "accepted"}


def test_a_transfer_goes_past_the_filters_and_target_expressions() -> None:
    world = Handed()
    picky = {"queue": world.second, "expression": "worker.sid == 'nobody'"}
    text = str(routing(one("1==1", picky))).replace("'", '"').replace('"nobody"', "'nobody'")
    world.do(c.UpdateWorkflow(world.flow, configuration=text))
    world.hand(world.second)
    assert world.holders() == {"ann": "accepted", "bob": "pending"}


def test_nobody_is_offered_a_task_that_he_is_working_on(world: Handed) -> None:
    world.capacity(world.ann, "default", 2)
    world.hand(world.first)
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    world.take_back()
    world.cold(world.first)
    assert world.job.status is T.RESERVED
    assert [str(offer.status) for offer in world.offers(world.wt)] == ["wrapping", "pending"]


def test_a_holder_who_is_done_may_be_offered_the_transfer_of_another(world: Handed) -> None:
    world.capacity(world.bob, "default", 2)
    world.activity(world.cai, "Offline")
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.hand(world.second)
    assert world.is_at() == ("assigned", {"ann": "accepted", "bob": "accepted"})
    world.answer(world.bob, R.COMPLETED)
    assert world.is_at() == ("reserved", {"ann": "accepted", "bob": "pending"})


def test_each_holder_lets_go_alone_and_the_last_completes_the_task(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.answer(world.ann, R.WRAPPING)
    assert world.is_at() == ("assigned", {"ann": "wrapping", "bob": "accepted"})
    world.answer(world.ann, R.COMPLETED)
    assert world.is_at() == ("assigned", {"bob": "accepted"})
    world.answer(world.bob, R.WRAPPING)
    assert world.is_at() == ("wrapping", {"bob": "wrapping"})
    assert "task.wrapup" in world.events
    world.answer(world.bob, R.COMPLETED)
    assert world.status(world.wt) is None
    assert "task.completed" in world.events


def test_a_task_wraps_up_when_the_last_who_works_on_it_is_done(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.answer(world.bob, R.WRAPPING)
    world.answer(world.ann, R.COMPLETED)
    assert world.is_at() == ("wrapping", {"bob": "wrapping"})
    assert [kind for kind in world.events if "wrapup" in kind] == ["task.wrapup"]


@pytest.mark.parametrize("status", [T.WRAPPING, T.COMPLETED])
def test_the_task_s_own_wrap_up_and_completion_are_everybody_s(world: Handed, status: T) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.do(c.UpdateTask(world.wt, assignment_status=status))
    event = "reservation.wrapup" if status is T.WRAPPING else "reservation.completed"
    assert world.events.count(event) == 2


def test_a_failed_cold_transfer_leaves_the_task_assigned_to_who_wraps_up_and_can_be_tried_again(
    world: Handed,
) -> None:
    world.cold(world.bob)
    world.answer(world.bob, R.REJECTED)
    assert world.is_at() == ("assigned", {"ann": "wrapping"})
    world.cold(world.cai)
    assert world.is_at() == ("reserved", {"ann": "wrapping", "cai": "pending"})
    world.take_back()
    world.answer(world.ann, R.COMPLETED)
    assert world.status(world.wt) is None
    assert "task.completed" in world.events


def test_a_task_that_nobody_holds_after_a_failure_is_routed_from_the_top_again(world: Handed) -> None:
    world.activity(world.ann, "Available")
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.REJECTED)
    assert world.is_at() == ("reserved", {"ann": "pending"})
    assert world.offers(world.wt)[0].transfer_sid is None
    assert world.told() == [
        "reservation.rejected",
        "task.transfer-failed",
        "task.updated",
        "workflow.entered",
        "reservation.created",
    ]


def test_a_task_that_nobody_holds_lives_its_whole_time_again(world: Handed) -> None:
    world.wait(80_000)
    world.activity(world.ann, "Offline")
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.REJECTED)
    assert world.status(world.wt) is T.PENDING
    world.restart()
    world.wait(86_399)
    assert world.status(world.wt) is T.PENDING
    world.wait(1)
    assert world.reason(world.wt) == "Task TTL Exceeded"


def test_the_time_to_live_does_not_count_while_a_task_is_transferred() -> None:
    world = Handed()
    world.wait(1)
    world.cold(world.second)
    world.answer(world.bob, R.REJECTED)
    assert world.state.deadlines.due_of(Due.TASK_TTL, world.wt) is None


def test_an_unclaimed_transfer_ends_with_the_day_that_a_task_may_be_assigned(world: Handed) -> None:
    for sid in (world.bob, world.cai):
        world.activity(sid, "Offline")
    world.cold(world.second)
    world.answer(world.ann, R.COMPLETED)
    world.restart()
    world.wait(86_400)
    assert world.status(world.wt) is None
    assert [kind for kind in world.events if kind.startswith("task.")] == [
        "task.transfer-canceled",
        "task.system-deleted",
    ]


def test_the_day_of_an_assigned_task_starts_anew_when_another_accepts_it(world: Handed) -> None:
    world.wait(80_000)
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.wait(86_399)
    assert world.status(world.wt) is T.ASSIGNED
    world.wait(1)
    assert world.events[:2] == ["reservation.completed", "reservation.completed"]


def test_a_deleted_task_takes_its_transfer_along(world: Handed) -> None:
    world.hand(world.bob)
    world.do(c.DeleteTask(world.wt))
    assert world.events == [
        "reservation.completed",
        "reservation.canceled",
        "task.transfer-canceled",
        "task.deleted",
    ]
    assert not world.state.transfers


def test_a_deleted_worker_fails_the_transfer_to_it(world: Handed) -> None:
    world.hand(world.bob)
    world.do(c.DeleteWorker(world.bob))
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert world.last.failed_reason == "Transfer failed because the reservation was canceled"


def test_a_worker_who_goes_offline_keeps_the_offer_of_a_transfer_unless_it_is_rejected_too(
    world: Handed,
) -> None:
    world.hand(world.bob)
    world.activity(world.bob, "Offline")
    assert world.job.status is T.RESERVED
    world.activity(world.bob, "Unavailable", reject_pending_reservations=True)
    assert world.last.failed_reason == "Transfer failed because the reservation was rejected"


def test_who_transfers_a_task_is_not_deleted_before_it_lets_go(world: Handed) -> None:
    world.cold(world.bob)
    with pytest.raises(Refused, match="it holds 1 accepted or wrapping"):
        world.do(c.DeleteWorker(world.ann))
    world.answer(world.ann, R.COMPLETED)
    world.do(c.DeleteWorker(world.ann))
    world.answer(world.bob, R.ACCEPTED)
    assert world.data("task.transfer-completed")["transfer_initiating_worker_sid"] == world.ann


def test_the_queues_of_an_open_transfer_stay(world: Handed) -> None:
    world.do(c.UpdateWorkflow(world.flow, configuration=str(routing(default=world.second)).replace("'", '"')))
    world.hand(world.second)
    for queue in (world.first, world.second):
        with pytest.raises(Refused, match="Cannot delete queue"):
            world.do(c.DeleteTaskQueue(queue))
    world.answer(world.bob, R.ACCEPTED)
    world.do(c.DeleteTaskQueue(world.first))


def test_a_task_whose_workflow_is_gone_waits_in_its_queue_when_nobody_holds_it(world: Handed) -> None:
    world.do(c.DeleteWorkflow(world.flow))
    world.activity(world.ann, "Offline")
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.REJECTED)
    assert (world.status(world.wt), world.queue_of(world.wt)) == (T.PENDING, "first")
    world.restart()
    world.activity(world.ann, "Available")
    assert world.holders() == {"ann": "pending"}


def test_a_task_that_nobody_holds_goes_by_the_workflow_as_it_is_now(world: Handed) -> None:
    world.do(c.UpdateWorkflow(world.flow, configuration=str(routing(default=world.second)).replace("'", '"')))
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.REJECTED)
    assert world.queue_of(world.wt) == "second"
    assert world.holders() == {"cai": "pending"}


def test_the_rounds_of_transfers_count_and_the_last_allowed_one_fails_the_transfer() -> None:
    world = Handed(limits=RoutingLimits(assignment_count_max=3))
    world.hand(world.second)
    world.answer(world.bob, R.REJECTED)
    world.answer(world.cai, R.REJECTED)
    assert world.last.failed_reason == "Transfer failed because the reservation was rejected"
    assert world.is_at() == ("assigned", {"ann": "accepted"})


def test_a_task_that_was_offered_too_often_and_that_nobody_holds_is_canceled() -> None:
    world = Handed(limits=RoutingLimits(assignment_count_max=2))
    world.cold(world.bob)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.REJECTED)
    assert world.reason(world.wt) == "Max assignment count exceeded"


def test_an_unavailable_worker_is_not_transferred_to(world: Handed) -> None:
    world.activity(world.bob, "Offline")
    with pytest.raises(Refused, match=f"worker {world.bob} is not available: its activity is not available"):
        world.hand(world.bob)
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert not world.job.transfers


@pytest.mark.parametrize(
    ("change", "why"),
    [({"available": False}, "the channel is switched off"), ({"capacity": 0}, "capacity is used up")],
)
def test_a_worker_without_room_is_not_transferred_to(world: Handed, change: dict[str, int], why: str) -> None:
    world.do(c.UpdateWorkerChannel(world.bob, "default", **change))
    with pytest.raises(Refused, match=why):
        world.hand(world.bob)


def test_the_initiator_uses_its_capacity_until_it_is_done(world: Handed) -> None:
    world.cold(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    later = world.task()
    assert world.status(later) is T.PENDING
    world.answer(world.ann, R.COMPLETED)
    assert world.offered_to(later) == ["ann"]
    assert world.channel_of(world.bob, "default").accepted == 1


def test_a_second_transfer_waits_for_the_outcome_of_the_first(world: Handed) -> None:
    view = world.hand(world.bob)
    with pytest.raises(Refused, match=f"because its transfer {view.sid} to {world.bob} is initiated"):
        world.hand(world.cai)


@pytest.mark.parametrize("status", ["pending", "reserved", "wrapping"])
def test_only_an_assigned_task_is_transferred(world: Handed, status: str) -> None:
    if status == "wrapping":
        world.answer(world.ann, R.WRAPPING)
    else:
        world.answer(world.ann, R.COMPLETED)
        if status == "pending":
            world.activity(world.ann, "Offline")
        world.wt = world.task()
    with pytest.raises(Refused, match=f"Cannot transfer task {world.wt} because"):
        world.hand(world.bob, reservation_sid=None)


def test_what_does_not_exist_is_not_transferred_nor_transferred_to(world: Handed) -> None:
    for options in (
        {"reservation_sid": "WR" + "f" * 32},
        {"reservation_sid": world.held.sid, "worker_sid": world.bob},
        {"reservation_sid": None, "worker_sid": "WK" + "f" * 32},
    ):
        with pytest.raises(NotFound):
            world.hand(world.bob, **options)
    for to in ("WK" + "f" * 32, "WQ" + "f" * 32):
        with pytest.raises(NotFound):
            world.hand(to)
    with pytest.raises(NotFound):
        world.do(c.CreateTransfer("TT" + "f" * 32, "WT" + "f" * 32, world.bob))
    with pytest.raises(NotFound):
        world.do(c.CancelTransfer("TT" + "f" * 32, world.wt))
    view = world.hand(world.bob)
    with pytest.raises(NotFound):
        world.do(c.CancelTransfer(view.sid, "WT" + "f" * 32))


def test_the_reservation_is_found_by_its_worker_or_when_it_is_the_only_one(world: Handed) -> None:
    assert world.hand(world.bob, reservation_sid=None).initiating_reservation_sid == world.held.sid
    world.answer(world.bob, R.ACCEPTED)
    with pytest.raises(Refused, match="ReservationSid field is required: 2 workers hold task"):
        world.hand(world.cai, reservation_sid=None)
    with pytest.raises(Refused, match=f"worker {world.cai} does not hold it"):
        world.hand(world.second, reservation_sid=None, worker_sid=world.cai)
    view = world.hand(world.cai, reservation_sid=None, worker_sid=world.bob)
    assert view.initiating_worker_sid == world.bob


def test_a_task_is_not_transferred_to_who_holds_it(world: Handed) -> None:
    for mode in TransferMode:
        with pytest.raises(Refused, match=f"worker {world.ann} has it already"):
            world.hand(world.ann, mode)


def test_three_can_hold_a_task_one_for_each_leg(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.hand(world.cai)
    world.answer(world.bob, R.COMPLETED)
    world.answer(world.cai, R.ACCEPTED)
    assert world.is_at() == ("assigned", {"ann": "accepted", "cai": "accepted"})
    legs = {offer.transfer_sid for offer in world.offers(world.wt)}
    assert legs == {None, world.last.sid}


def test_priority_and_attributes_of_a_transfer_become_the_task_s(world: Handed) -> None:
    version = world.job.version
    view = world.hand(world.second, priority=7, attributes='{"vip": true}')
    assert (view.priority, world.job.priority, world.job.attributes) == (7, 7, '{"vip": true}')
    assert world.told()[:2] == ["task.transfer-initiated", "task.updated"]
    assert world.job.version > version
    world.take_back()
    assert world.job.priority == 7


def test_a_waiting_transfer_takes_its_place_among_the_tasks_of_its_queue(world: Handed) -> None:
    for sid in (world.bob, world.cai):
        world.activity(sid, "Offline")
    other = world.task(task_queue_sid=world.second, priority=5)
    world.hand(world.second)
    world.do(c.UpdateTask(world.wt, priority=9))
    world.activity(world.bob, "Available")
    assert world.holders() == {"ann": "accepted", "bob": "pending"}
    assert world.status(other) is T.PENDING


def test_in_a_single_tasking_workspace_the_queue_s_activities_are_those_of_the_target() -> None:
    world = Handed(multi_task_enabled=False)
    unavailable, offline = world.activities["Unavailable"], world.activities["Offline"]
    world.do(
        c.UpdateTaskQueue(world.second, reservation_activity_sid=unavailable, assignment_activity_sid=offline)
    )
    world.hand(world.second)
    assert world.get_worker(world.bob).activity_sid == unavailable
    world.answer(world.bob, R.ACCEPTED)
    assert world.get_worker(world.bob).activity_sid == offline


def test_a_busy_worker_of_a_single_tasking_workspace_is_not_transferred_to() -> None:
    world = Handed(multi_task_enabled=False)
    world.capacity(world.bob, "default", 2)
    world.task(task_queue_sid=world.second)
    with pytest.raises(Refused, match="single-tasking workspace allows one open reservation"):
        world.hand(world.bob)


def test_the_assignment_callback_goes_out_for_the_offer_of_a_transfer() -> None:
    world = Handed(flow={"assignment_callback_url": "http://x/"})
    world.hand(world.bob)
    (callback,) = world.changes.callbacks
    assert (callback.worker_sid, callback.reservation_sid) == (world.bob, world.of(world.bob).sid)
    world.do(c.AssignmentInstructed(callback.reservation_sid, "accept"))
    assert world.last.status is TransferStatus.COMPLETE


def test_a_transfer_event_tells_task_and_transfer_and_is_found_by_who_began_it(world: Handed) -> None:
    view = world.hand(world.second)
    event = world.event("task.transfer-initiated")
    assert (event.resource_type, event.resource_sid) == ("task", world.wt)
    assert (event.worker_sid, event.reservation_sid) == (world.ann, world.held.sid)
    assert {name: value for name, value in event.data.items() if name.startswith("transfer")} == {
        "transfer_sid": view.sid,
        "transfer_type": "QUEUE",
        "transfer_mode": "WARM",
        "transfer_to": world.second,
        "transfer_status": "initiated",
        "transfer_initiating_reservation_sid": world.held.sid,
        "transfer_initiating_worker_sid": world.ann,
        "transfer_initiating_queue_sid": world.first,
        "transfer_initiating_workflow_sid": world.flow,
    }


def test_a_task_for_a_worker_can_be_transferred_to_a_queue_and_comes_back_to_no_queue(
    world: Handed,
) -> None:
    world.answer(world.ann, R.COMPLETED)
    world.wt = world.task(routing_target=world.ann)
    world.accept(world.wt)
    world.held = world.offers(world.wt)[0]
    world.hand(world.second)
    assert world.holders() == {"ann": "accepted", "bob": "pending"}
    world.take_back()
    assert (world.job.task_queue_sid, world.job.task_queue_entered_ms) == (None, None)
    world.cold(world.second)
    world.answer(world.ann, R.COMPLETED)
    world.take_back()
    assert world.is_at() == ("reserved", {"ann": "pending"})


def test_nothing_of_a_transfer_is_left_when_its_task_is_done(world: Handed) -> None:
    world.hand(world.bob)
    world.answer(world.bob, R.ACCEPTED)
    world.complete(world.wt)
    assert not world.state.transfers


def test_a_task_for_a_worker_that_nobody_holds_is_that_worker_s_whatever_queue_it_stands_in(
    world: Handed,
) -> None:
    world.answer(world.ann, R.COMPLETED)
    world.wt = world.task(routing_target=world.ann)
    world.accept(world.wt)
    world.held = world.offers(world.wt)[0]
    world.cold(world.second)
    world.answer(world.ann, R.COMPLETED)
    world.answer(world.bob, R.ACCEPTED)
    world.held = world.of(world.bob)
    world.cold(world.cai)
    world.answer(world.bob, R.COMPLETED)
    world.answer(world.cai, R.REJECTED)
    assert world.is_at() == ("reserved", {"ann": "pending"})
    assert world.queue_of(world.wt) == "second"


def test_a_waiting_transfer_is_explained_with_who_holds_the_task_and_who_may_not_have_it(
    world: Handed,
) -> None:
    world.capacity(world.ann, "default", 2)
    world.do(c.UpdateTaskQueue(world.second, target_workers="1==1"))
    for sid in (world.bob, world.cai):
        world.activity(sid, "Offline")
    world.hand(world.second)
    explanation = world.core.explain(world.wt, world.now_ms)
    assert explanation.summary.startswith(f"Its transfer to {world.second} waits: none of 3 workers")
    assert [(offer.worker_name, offer.status) for offer in explanation.offers] == [("ann", "accepted")]
    assert {view.friendly_name: view.reason for view in explanation.workers} == {
        "ann": Reason.WORKING_ON_IT,
        "bob": Reason.ACTIVITY,
        "cai": Reason.ACTIVITY,
    }
    assert explanation.route is not None
    assert explanation.route.kind is RouteKind.TRANSFER
    assert "step" not in {timer.name for timer in explanation.timers}


def test_an_offer_of_a_transfer_is_explained_by_who_handed_the_task_on(world: Handed) -> None:
    world.hand(world.bob)
    explanation = world.core.explain(world.wt, world.now_ms)
    assert explanation.asked is not None
    assert (explanation.asked.worker, explanation.asked.worker_named_by) == (world.bob, "transfer")
    assert explanation.offers[-1].chosen_because == "transferred by ann to it"
    world.take_back()
    world.hand(world.second)
    explanation = world.core.explain(world.wt, world.now_ms)
    assert explanation.offers[-1].chosen_because.startswith(
        "transferred by ann to second; first of 2 workers that could be offered the task"
    )


def test_an_accepted_transfer_counts_with_its_wait_from_the_creation_of_the_task(world: Handed) -> None:
    world.wait(30)
    world.hand(world.second)
    world.wait(5)
    world.answer(world.bob, R.ACCEPTED)
    data = world.data("reservation.accepted")
    assert (data["task_age"], data["task_age_in_queue"]) == ("35", "5")
    assert world.event("reservation.accepted").task_queue_sid == world.second
