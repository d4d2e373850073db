"""What a board knows, spelled out, so that two boards can be compared field by field.

`durable` leaves out what a restart forgives or rebuilds by design: refusal back-offs (with the tasks parked
and the deadlines set because of them), finished tasks kept in memory for a client's sake, configurations that
no open task goes by any more, and eligibility classes without tasks.
"""

from operator import attrgetter
from typing import Any

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.eligibility import EligibilityClass
from engine.routing.entities import Task
from engine.routing.states import OPEN_TASK
from engine.routing.workflow import Target, WorkflowConfiguration
from engine.storage import rows

Image = dict[str, Any]

_FORGIVEN = (Due.OFFER_AGAIN, Due.FINISHED_EVICTION)
_WORKER = attrgetter(*rows.WORKER.fields, "values", "environment")
_WORKER_CHANNEL = attrgetter(*rows.WORKER_CHANNEL.fields, "pending", "accepted", "wrapping")
_TASK = attrgetter(*rows.TASK.fields, "values")


def image(board: Board, *, durable: bool) -> Image:
    """Return everything by name."""
    state = board.state
    seen: Image = {"workspace": rows.WORKSPACE.get(state.workspace), "names": dict(state.names)}
    for activity in state.activities.values():
        seen[f"activity {activity.sid}"] = rows.ACTIVITY.get(activity)
    for channel in state.task_channels.values():
        seen[f"task channel {channel.sid}"] = rows.TASK_CHANNEL.get(channel)
    for queue in state.task_queues.values():
        predicate = queue.predicate.canonical if queue.predicate else None
        seen[f"queue {queue.sid}"] = (*rows.TASK_QUEUE.get(queue), predicate)
    for workflow in state.workflows.values():
        seen[f"workflow {workflow.sid}"] = rows.WORKFLOW.get(workflow)
    for worker in state.workers.values():
        channels = {sid: _WORKER_CHANNEL(channel) for sid, channel in worker.channels.items()}
        seen[f"worker {worker.sid}"] = (*_WORKER(worker), channels, sorted(worker.reservations))
    for transfer in state.transfers.values():
        seen[f"transfer {transfer.sid}"] = rows.TRANSFER.get(transfer)
    for reservation in state.reservations.values():
        seen[f"reservation {reservation.sid}"] = rows.RESERVATION.get(reservation)
    _see_tasks(board, seen, durable=durable)
    _see_configurations(board, seen, durable=durable)
    _see_deadlines(board, seen, durable=durable)
    _see_lines(board, seen, durable=durable)
    if not durable:
        changes = state.changes
        seen["changes"] = [len(getattr(changes, name)) for name in changes.__slots__ if name != "workspace"]
    return seen


def differences(left: Image, right: Image) -> list[str]:
    """Name what differs, one line each."""
    lines = []
    for key in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(key, "nothing"), right.get(key, "nothing")
        if ours != theirs:
            lines.append(f"{key}:\n    {ours}\n    {theirs}")
    return lines


def _see_tasks(board: Board, seen: Image, *, durable: bool) -> None:
    for task in board.state.tasks.values():
        if durable and task.status not in OPEN_TASK:
            continue
        refusals = None if durable else {sid: (r.count, r.until_ms) for sid, r in task.refusals.items()}
        transfers = [transfer.sid for transfer in task.transfers]
        seen[f"task {task.sid}"] = (*_TASK(task), sorted(task.reservations), transfers, refusals)


def _see_configurations(board: Board, seen: Image, *, durable: bool) -> None:
    state = board.state
    used = {(task.workflow_sid, task.workflow_version) for task in state.tasks.values() if _is_open(task)}
    used |= {(flow.sid, flow.configuration_version) for flow in state.workflows.values()}
    for key, configuration in state.configurations.items():
        # What an assigned task came by does not matter any more once its workflow is deleted.
        if not durable or (key in used and key[0] in state.workflows):
            seen[f"configuration {key}"] = _described(configuration)


def _see_deadlines(board: Board, seen: Image, *, durable: bool) -> None:
    for due_ms, what, sid in board.state.deadlines.entries():
        if not durable or what not in _FORGIVEN:
            seen[f"deadline {what.name} of {sid}"] = due_ms


def _see_lines(board: Board, seen: Image, *, durable: bool) -> None:
    eligibility, state = board.eligibility, board.state
    for queue_sid in state.task_queues:
        seen[f"members of {queue_sid}"] = sorted(eligibility.members(queue_sid))
    for channel_sid, ready in eligibility.ready.items():
        seen[f"ready on {channel_sid}"] = sorted(ready)
        line = eligibility.line(channel_sid)
        seen[f"idle line of {channel_sid}"] = [(sid, line.keys[sid]) for sid in line if sid in ready]
    seen["idle line"] = [(sid, eligibility._line.keys[sid]) for sid in eligibility._line]
    for class_ in eligibility.classes():
        if len(class_.waiting) or class_.parked or not durable:
            seen[f"class {class_.key}"] = _class_image(board, class_, durable=durable)
    seen["waits where"] = {
        task.sid: class_.key for task in state.tasks.values() if (class_ := eligibility.class_of(task.sid))
    }
    seen["to be asked to skip"] = sorted(board.skip_if_open)


def _class_image(board: Board, class_: EligibilityClass, *, durable: bool) -> Any:
    waiting, parked = class_.waiting.sids(), sorted(class_.parked)
    if durable:
        # A restart forgives the refusals that parked them.
        tasks = board.state.tasks
        waiting = sorted([*waiting, *parked], key=lambda sid: board.eligibility.order_key(tasks[sid], class_))
        parked = []
    return class_.order, class_.reads_channels, sorted(class_.eligible), sorted(class_.ready), waiting, parked


def _is_open(task: Task) -> bool:
    return task.status in OPEN_TASK


def _described(configuration: WorkflowConfiguration) -> Any:
    default = configuration.default_filter
    return (
        [
            (item.expression.text, [_described_target(each) for each in item.targets])
            for item in configuration.filters
        ],
        _described_target(default) if default else None,
    )


def _described_target(target: Target) -> Any:
    return (
        target.queue_sid,
        target.expression.text if target.expression else None,
        target.priority,
        target.timeout_s,
        target.order_by.canonical if target.order_by else None,
        target.skip_if.text if target.skip_if else None,
        target.known_by,
        target.known_worker_path,
        target.reads_time,
    )
