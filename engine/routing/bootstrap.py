"""A new workspace: what every one begins with, and what the FIFO template adds (behaviour §1)."""

from collections.abc import Callable

import orjson

from engine.routing.board import Board
from engine.routing.commands import CreateTaskQueue, CreateWorkflow
from engine.routing.eligibility import Eligibility
from engine.routing.entities import Activity, TaskChannel, Workspace
from engine.routing.limits import RoutingLimits
from engine.routing.on_configuration import (
    DEFAULT_CHANNELS,
    add_activity,
    add_task_channel,
    create_task_queue,
    create_workflow,
)
from engine.routing.state import WorkspaceState

_ACTIVITIES = (("Offline", False), ("Available", True), ("Unavailable", False))
_INITIAL_ACTIVITY = "Offline"


def new_board(
    workspace: Workspace,
    template: str,
    new_sid: Callable[[str], str],
    limits: RoutingLimits,
    now_ms: int,
) -> Board:
    """Make the board of a new workspace; its `Changes` hold everything that was made."""
    state = WorkspaceState(workspace, new_sid, limits)
    board = Board(state, Eligibility(state, limits))
    state.put_workspace()
    description = f"Workspace {workspace.friendly_name} created"
    state.record("workspace.created", workspace.sid, description, {}, now_ms)
    for name, available in _ACTIVITIES:
        activity = Activity(new_sid("WA"), name, available, now_ms, now_ms)
        add_activity(state, activity, now_ms)
        if name == _INITIAL_ACTIVITY:
            workspace.default_activity_sid = workspace.timeout_activity_sid = activity.sid
    for name in DEFAULT_CHANNELS:
        add_task_channel(
            board, TaskChannel(new_sid("TC"), name, name.capitalize(), False, now_ms, now_ms), now_ms
        )
    if template == "FIFO":
        _add_fifo_template(board, now_ms)
    return board


def _add_fifo_template(board: Board, now_ms: int) -> None:
    new_sid = board.state.new_sid
    queue_sid = new_sid("WQ")
    create_task_queue(board, CreateTaskQueue(queue_sid, "Sample Queue"), now_ms)
    configuration = {"task_routing": {"filters": [], "default_filter": {"queue": queue_sid}}}
    text = orjson.dumps(configuration).decode()
    create_workflow(board, CreateWorkflow(new_sid("WW"), "Default Fifo Workflow", text), now_ms)
