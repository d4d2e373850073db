"""Commands about voice instructions: what the gateway is told, and what follows from its answer.

Between the two the reservation is as free as ever: it may time out, be rescinded, be accepted by others. So
the second command looks again, and a reservation that is over by then stays over.
"""

import json

from engine.routing.board import Board
from engine.routing.commands import ConcludeInstruction, PrepareInstruction
from engine.routing.effects import RoutingWarning
from engine.routing.entities import Reservation, ReservationStatus, Task, Worker
from engine.routing.errors import NotFound, VersionMismatch
from engine.routing.merging import merge_text
from engine.routing.records import record_task
from engine.routing.rounds import accept, refuse
from engine.routing.state import WorkspaceState
from engine.routing.states import instruction_refusal
from engine.routing.viewing import reservation_view
from engine.routing.views import ReservationView, VoiceOrderView
from engine.routing.voice import (
    CALL,
    CONFERENCE,
    DEQUEUE,
    REDIRECT,
    SUPERVISE,
    Verdict,
    VoiceInstruction,
    VoiceOrder,
    addressed,
)
from engine.routing.voice_fields import InstructionRefused
from engine.sids import is_sid

R = ReservationStatus
_TOO_LARGE = 20413
_IN_TRANSFER = 40151


def prepare_instruction(board: Board, command: PrepareInstruction, now_ms: int) -> VoiceOrderView:
    """Make the order for the gateway; changes nothing."""
    state, instruction = board.state, command.instruction
    reservation = state.reservation(command.sid)
    routes = (command.task_sid, reservation.task_sid), (command.worker_sid, reservation.worker_sid)
    if any(asked not in (None, actual) for asked, actual in routes):
        raise NotFound("Reservation", command.sid)
    if command.if_match is not None and command.if_match != reservation.version:
        raise VersionMismatch(
            f"Reservation {reservation.sid} has version {reservation.version}, "
            f"If-Match names {command.if_match}"
        )
    wanted = R.ACCEPTED if instruction.name == SUPERVISE else R.PENDING
    if reservation.status is not wanted:
        raise instruction_refusal(reservation, instruction.name)
    _check_transfer(reservation, instruction)
    _check_activity(state, instruction)
    task, worker = state.tasks[reservation.task_sid], state.workers[reservation.worker_sid]
    called = _supervisor(state, instruction) if instruction.name == SUPERVISE else worker.values
    whole = addressed(instruction, task.values, called)
    supervisor = instruction.get("Supervisor") or ""
    order = VoiceOrder(
        id=":".join(filter(None, (reservation.sid, instruction.name, supervisor))),
        instruction=instruction,
        reservation_sid=reservation.sid,
        fields=(
            *_about(state, reservation, task, worker, now_ms),
            *whole.fields,
        ),
        patience_ms=None if instruction.name == SUPERVISE else reservation.deadline_ms - now_ms,
    )
    return VoiceOrderView(order, reservation_view(state, reservation))


def conclude_instruction(board: Board, command: ConcludeInstruction, now_ms: int) -> ReservationView:
    """Do what follows from the gateway's answer: accept or cancel, and note the call in the task."""
    state, instruction, verdict = board.state, command.instruction, command.verdict
    reservation = state.reservation(command.sid)
    if reservation.status not in (R.PENDING, R.ACCEPTED):
        raise instruction_refusal(reservation, instruction.name)
    if not verdict.done:
        _fail(board, reservation, command, now_ms)
        return reservation_view(state, reservation)
    _note_call(board, state.tasks[reservation.task_sid], instruction, verdict, now_ms)
    if reservation.status is R.PENDING and instruction.accepts:
        accept(board, reservation, now_ms)
    elif reservation.status is R.PENDING and command.settles_callback:
        state.settle_callback(reservation.sid)
    return reservation_view(state, reservation)


def _fail(board: Board, reservation: Reservation, command: ConcludeInstruction, now_ms: int) -> None:
    """Cancel the reservation whose media could not be set up (behaviour §3); others stay as they are."""
    if reservation.status is not R.PENDING:
        return
    if command.instruction.accepts:
        refuse(board, reservation, R.CANCELED, now_ms)
    elif command.settles_callback:
        board.state.settle_callback(reservation.sid)


def _check_transfer(reservation: Reservation, instruction: VoiceInstruction) -> None:
    """Refuse what an offer of a transfer cannot be answered with (contract §11.2, 40151)."""
    if reservation.transfer_sid is not None and instruction.name in {CALL, DEQUEUE, REDIRECT}:
        raise InstructionRefused(
            f"Unable to execute {instruction.name.capitalize()} instruction. Reservation {reservation.sid} "
            "is the offer of a transfer, which takes accept, reject, conference and supervise only",
            _IN_TRANSFER,
        )


def _check_activity(state: WorkspaceState, instruction: VoiceInstruction) -> None:
    sid = instruction.post_work_activity_sid
    if sid is not None and sid not in state.activities:
        name, alert = (
            ("PostWorkActivitySid", 40139)
            if instruction.name == CONFERENCE
            else ("DequeuePostWorkActivitySid", 40130)
        )
        raise InstructionRefused(f"{name}: there is no Activity {sid} in this workspace", alert)


def _supervisor(state: WorkspaceState, instruction: VoiceInstruction) -> dict[str, object]:
    """Return what the supervisor's attributes say: a worker's SID, or directly whom to call."""
    named = instruction.get("Supervisor") or ""
    if not is_sid(named, "WK"):
        return {"contact_uri": named}
    worker = state.workers.get(named)
    if worker is None:
        raise InstructionRefused(f"Supervisor: there is no Worker {named} in this workspace", 40147)
    return worker.values


def _about(
    state: WorkspaceState, reservation: Reservation, task: Task, worker: Worker, now_ms: int
) -> list[tuple[str, str]]:
    channel = state.task_channels.get(task.task_channel_sid)
    activity = state.activities.get(worker.activity_sid)
    left_s = max(0, reservation.deadline_ms - now_ms) // 1000
    return [
        ("Timestamp", str(now_ms // 1000)),
        ("AccountSid", state.workspace.account_sid),
        ("WorkspaceSid", state.workspace.sid),
        ("WorkspaceName", state.workspace.friendly_name),
        ("WorkflowSid", task.workflow_sid or ""),
        ("TaskQueueSid", task.task_queue_sid or ""),
        ("TaskSid", task.sid),
        ("TaskAttributes", task.attributes),
        ("TaskAge", str((now_ms - task.date_created_ms) // 1000)),
        ("TaskPriority", str(task.priority)),
        ("TaskAssignmentStatus", str(task.status)),
        ("TaskChannelSid", task.task_channel_sid),
        ("TaskChannelUniqueName", channel.unique_name if channel else ""),
        ("WorkerSid", worker.sid),
        ("WorkerName", worker.friendly_name),
        ("WorkerAttributes", worker.attributes),
        ("WorkerActivitySid", worker.activity_sid),
        ("WorkerActivityName", activity.friendly_name if activity else ""),
        ("ReservationSid", reservation.sid),
        ("ReservationStatus", str(reservation.status)),
        ("ReservationVersion", str(reservation.version)),
        ("ReservationTimeLeft", str(left_s) if reservation.status is R.PENDING else ""),
    ]


def _note_call(
    board: Board, task: Task, instruction: VoiceInstruction, verdict: Verdict, now_ms: int
) -> None:
    """Write the SIDs of the worker's call and of the conference into the task's attributes."""
    patch = _patch(instruction, verdict, task)
    if not patch:
        return
    state = board.state
    attributes = merge_text(task.attributes, json.dumps(patch))
    if attributes == task.attributes:
        return  # the command was carried out before, but whoever gave it did not hear of that
    if len(attributes) > state.limits.attributes_chars_max:
        state.warn(
            RoutingWarning(
                _TOO_LARGE,
                f"{instruction.name}: the task's attributes have no room for the SIDs of its call",
                task.sid,
            )
        )
        return
    task.attributes = attributes
    task.version += 1
    task.date_updated_ms = now_ms
    state.put_task(task)
    record_task(state, "task.updated", task, now_ms)


def _patch(instruction: VoiceInstruction, verdict: Verdict, task: Task) -> dict[str, object]:
    if instruction.name in {REDIRECT, SUPERVISE}:
        return {}
    patch: dict[str, object] = {}
    participants = {"worker": verdict.call_sid, "customer": task.values.get("call_sid")}
    if verdict.call_sid is not None:
        patch["worker_call_sid"] = verdict.call_sid
    if instruction.name == CONFERENCE and verdict.conference_sid is not None:
        known = {name: sid for name, sid in participants.items() if isinstance(sid, str)}
        patch["conference"] = {"sid": verdict.conference_sid, "participants": known}
    return patch
