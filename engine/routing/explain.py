"""Why a task waits, or why its worker has it: told from the state and the predicates the matcher uses.

Theory of operation
-------------------
Nothing is decided here. The waiting task's own class says what it asks for; `explain_worker.Judge` asks the
matcher's predicates about every worker once and names the first that fails. Workers with the same reason are
counted together, with a few examples, and only one page of them is spelled out, so the result stays small.
The board is only read, and nothing is noted as changed.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

from engine.routing.board import Board
from engine.routing.commands import ExplainTask
from engine.routing.entities import Task
from engine.routing.explain_offer import offers_of, summary_of
from engine.routing.explain_route import asked_of, position_of, route_of, timers_of
from engine.routing.explain_views import Reason, ReasonView, TaskExplanation
from engine.routing.explain_worker import Judge, Verdict
from engine.routing.progress import demand_of, target_of
from engine.routing.states import OPEN_TASK
from engine.routing.viewing import task_view
from engine.routing.views import TaskView

EXAMPLES_MAX = 3
REASONS_MAX = 20
REASONS_IN_SUMMARY = 3

_NEAREST_FIRST = {reason: -rank for rank, reason in enumerate(Reason)}


@dataclass(slots=True)
class _Group:
    """The workers with one verdict."""

    workers: int = 0
    examples: list[str] = field(default_factory=list)


def explain_task(board: Board, command: ExplainTask, now_ms: int) -> TaskExplanation:
    """Explain a task in memory, with the page of workers that the command asks for. Raises NotFound."""
    task = board.state.task(command.sid)
    if task.status not in OPEN_TASK:
        return explain_finished(task_view(board.state, task), now_ms)
    if board.eligibility.is_waiting(task.sid):
        return _explain_waiting(board, task, command, now_ms)
    return _explain_offered(board, task, now_ms)


def explain_finished(view: TaskView, now_ms: int) -> TaskExplanation:
    """Explain a completed or canceled task, of which only the row is left."""
    summary = str(view.status).capitalize()
    return TaskExplanation(view, now_ms, f"{summary}: {view.reason}." if view.reason else f"{summary}.")


def _explain_waiting(board: Board, task: Task, command: ExplainTask, now_ms: int) -> TaskExplanation:
    state = board.state
    class_ = board.eligibility.class_of(task.sid)
    assert class_ is not None
    target = target_of(board, task)
    judge = Judge(board, task, class_.demand, target, now_ms)
    sids = sorted(state.workers)
    reasons, left_out = _reasons(board, judge, sids)
    page, following, previous = _page(sids, command)
    workers = [state.workers[sid] for sid in page]
    return TaskExplanation(
        task=task_view(state, task),
        evaluated_ms=now_ms,
        summary=_summary(reasons, len(sids), task),
        assignment_count=task.assignment_count,
        route=route_of(board, task),
        asked=asked_of(board, task, class_.demand, target),
        timers=timers_of(board, task),
        position=position_of(board, task, class_),
        offers=offers_of(board, task, class_.demand),
        reasons=reasons,
        reasons_left_out=left_out,
        worker_count=len(sids),
        workers=tuple(judge.view(worker, judge.verdict(worker)) for worker in workers),
        next_worker=following,
        previous_worker=previous,
    )


def _explain_offered(board: Board, task: Task, now_ms: int) -> TaskExplanation:
    target = target_of(board, task)
    demand = demand_of(board, task, target, now_ms)
    offers = offers_of(board, task, demand)
    return TaskExplanation(
        task=task_view(board.state, task),
        evaluated_ms=now_ms,
        summary=summary_of(offers, now_ms),
        assignment_count=task.assignment_count,
        route=route_of(board, task),
        asked=asked_of(board, task, demand, target),
        timers=timers_of(board, task),
        offers=offers,
    )


def _reasons(board: Board, judge: Judge, sids: list[str]) -> tuple[tuple[ReasonView, ...], int]:
    workers = board.state.workers
    groups: dict[Verdict, _Group] = {}
    for sid in sids:
        verdict = judge.verdict(workers[sid])
        group = groups.get(verdict)
        if group is None:
            group = groups[verdict] = _Group()
        group.workers += 1
        if group.workers <= EXAMPLES_MAX:
            group.examples.append(sid)
    ordered = sorted(groups.items(), key=lambda item: (_NEAREST_FIRST[item[0].reason], -item[1].workers))
    views = [
        ReasonView(
            verdict.reason,
            judge.says(verdict),
            judge.unblocked(verdict),
            group.workers,
            tuple(judge.view(workers[sid], verdict) for sid in group.examples),
        )
        for verdict, group in ordered[:REASONS_MAX]
    ]
    return tuple(views), max(len(ordered) - REASONS_MAX, 0)


def _page(sids: list[str], command: ExplainTask) -> tuple[list[str], str | None, str | None]:
    """Return a page of SIDs and the cursors of the pages after and before it, as stored lists have them."""
    if command.before is not None:
        end = bisect_left(sids, command.before)
        start = max(end - command.size, 0)
        page = sids[start:end]
        return page, page[-1] if page else command.before, page[0] if start > 0 else None
    start = 0 if command.after is None else bisect_right(sids, command.after)
    page = sids[start : start + command.size]
    more = start + command.size < len(sids)
    came_from = None if command.after is None else (page[0] if page else command.after)
    return page, page[-1] if more else None, came_from


def _summary(reasons: tuple[ReasonView, ...], workers: int, task: Task) -> str:
    waits = "It waits" if task.open_transfer is None else f"Its transfer to {task.open_transfer.to_sid} waits"
    if not workers:
        return f"{waits}: there is no worker in this workspace."
    if reasons[0].reason is Reason.NONE:
        return f"It is about to be offered: {reasons[0].workers} of {workers} workers can take it now."
    told = [f"{reason.workers}: {_told(reason)}." for reason in reasons[:REASONS_IN_SUMMARY]]
    more = " And others." if len(reasons) > REASONS_IN_SUMMARY else ""
    return f"{waits}: none of {workers} workers can be offered it now. {' '.join(told)}{more}"


def _told(reason: ReasonView) -> str:
    return reason.examples[0].explanation if reason.workers == 1 else reason.explanation
