"""The command that reads the present figures of a workspace (behaviour §10, real-time)."""

from collections import Counter
from collections.abc import Collection

from engine.routing.board import Board
from engine.routing.commands import ReadRealTime
from engine.routing.errors import NotFound
from engine.routing.statistics import WORKSPACE
from engine.routing.statistics_views import ActivityFigures, RealTimeView, Scope


def read_real_time(board: Board, command: ReadRealTime, now_ms: int) -> tuple[RealTimeView, ...]:
    """Return the figures of what the command names, in its order; changes nothing.

    Looks at the workers of the scope one by one, at tasks only through their counters. Raises NotFound for
    a queue or workflow that does not exist, unless the command takes it for an empty one.
    """
    board.tally.take_in(board.state.changes)
    channel_sid = _channel_sid(board, command.task_channel)
    if command.scope is Scope.WORKSPACE:
        return (_view(board, board.state.workspace.sid, channel_sid, board.state.workers, now_ms),)
    if command.scope is Scope.WORKER:
        return (_chosen_workers(board, command, now_ms),)
    if command.scope is Scope.WORKFLOW:
        return tuple(_workflow(board, command, sid, channel_sid, now_ms) for sid in command.sids)
    return tuple(_queue(board, command, sid, channel_sid, now_ms) for sid in command.sids)


def _channel_sid(board: Board, named: str | None) -> str | None:
    """Return the SID of a channel by name or SID; one that is unknown has no tasks."""
    if named is None:
        return None
    try:
        return board.state.task_channel(named).sid
    except NotFound:
        return named


def _queue(
    board: Board, command: ReadRealTime, sid: str, channel_sid: str | None, now_ms: int
) -> RealTimeView:
    if sid not in board.state.task_queues:
        if not command.unknown_is_empty:
            raise NotFound("TaskQueue", sid)
        return _view(board, sid, channel_sid, (), now_ms)
    return _view(board, sid, channel_sid, board.eligibility.members(sid), now_ms)


def _workflow(
    board: Board, command: ReadRealTime, sid: str, channel_sid: str | None, now_ms: int
) -> RealTimeView:
    if sid not in board.state.workflows and not command.unknown_is_empty:
        raise NotFound("Workflow", sid)
    return RealTimeView(sid, now_ms, board.tally.figures(sid, channel_sid))


def _view(
    board: Board, sid: str, channel_sid: str | None, workers: Collection[str], now_ms: int
) -> RealTimeView:
    activities, available = _activities(board, workers)
    scope = WORKSPACE if sid == board.state.workspace.sid else sid
    return RealTimeView(
        sid=sid,
        now_ms=now_ms,
        tasks=board.tally.figures(scope, channel_sid),
        activities=activities,
        workers=len(workers),
        available_workers=available,
    )


def _activities(board: Board, workers: Collection[str]) -> tuple[tuple[ActivityFigures, ...], int]:
    """Count the workers by activity, empty activities included; and those in available ones."""
    state = board.state
    counts = Counter(state.workers[sid].activity_sid for sid in workers)
    figures = tuple(
        ActivityFigures(activity.sid, activity.friendly_name, counts[activity.sid])
        for activity in sorted(state.activities.values(), key=lambda activity: activity.sid)
    )
    return figures, sum(counts[activity.sid] for activity in state.activities.values() if activity.available)


def _chosen_workers(board: Board, command: ReadRealTime, now_ms: int) -> RealTimeView:
    state = board.state
    everybody: Collection[str] = state.workers
    chosen = everybody
    if command.sids:
        known = [sid for sid in command.sids if sid in state.task_queues]
        chosen = {sid for queue_sid in known for sid in board.eligibility.members(queue_sid)}
    if command.queue_name is not None:
        named = [
            queue.sid for queue in state.task_queues.values() if queue.friendly_name == command.queue_name
        ]
        takes = {sid for queue_sid in named for sid in board.eligibility.members(queue_sid)}
        chosen = [sid for sid in chosen if sid in takes]
    if command.friendly_name is not None:
        chosen = [sid for sid in chosen if state.workers[sid].friendly_name == command.friendly_name]
    activities, available = _activities(board, chosen)
    return RealTimeView(
        sid=state.workspace.sid,
        now_ms=now_ms,
        tasks=board.tally.figures(WORKSPACE),
        activities=activities,
        workers=len(chosen),
        available_workers=available,
        worker_sids=None if chosen is everybody else tuple(sorted(chosen)),
    )
