"""Why one worker is not offered a waiting task: the first thing that fails, and what it looks at.

The verdict is the matcher's own: `is_eligible`, `capacity.obstacle`, `Refusal.holds`, the conditions of
TargetWorkers and of the bound target expression. What is added here is which of them comes first, in the
order of `Reason`, and the words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.expressions.expression import Expression
from engine.expressions.reasons import Clause, Clauses, value_shown, why_never
from engine.routing import capacity
from engine.routing.board import Board
from engine.routing.capacity import Obstacle
from engine.routing.eligibility import Demand
from engine.routing.entities import Activity, ReservationStatus, Task, Worker
from engine.routing.explain_views import Reason, WorkerReasonView
from engine.routing.matching import working_on
from engine.routing.values import time_values
from engine.routing.workflow import Target

_REASON_OF = {
    Obstacle.ACTIVITY: Reason.ACTIVITY,
    Obstacle.CHANNEL: Reason.CHANNEL,
    Obstacle.CAPACITY: Reason.CAPACITY,
    Obstacle.BUSY: Reason.SINGLE_TASKING,
}

_ENDED = {
    ReservationStatus.REJECTED: "rejected",
    ReservationStatus.TIMEOUT: "let it time out",
    ReservationStatus.CANCELED: "lost it to a failed callback",
}


@dataclass(slots=True, frozen=True, eq=False)
class Verdict:
    """The first reason against a worker; `clause` or `activity_name` say which condition or activity.

    A judge gives the same object for the same reason, so that verdicts can be counted by identity.
    """

    reason: Reason
    clause: Clause | None = None
    activity_name: str | None = None


_READY = Verdict(Reason.NONE)
_BACKING_OFF = Verdict(Reason.BACK_OFF)
_WORKING_ON_IT = Verdict(Reason.WORKING_ON_IT)


class Judge:
    """Judges the workers of a workspace for one waiting task, as of one moment.

    Args:
        board: the workspace; it is only read.
        task: a pending task.
        demand: what the task waits for.
        target: the step of its workflow in which it stands, or None past the filters.
        now_ms: the moment.
    """

    def __init__(self, board: Board, task: Task, demand: Demand, target: Target | None, now_ms: int) -> None:
        state = board.state
        queue = state.task_queues.get(demand.queue_sid or "")
        residual = demand.residual
        self._state = state
        self._eligibility = board.eligibility
        self._task = task
        self._demand = demand
        self._now_ms = now_ms
        self._working_on_it = working_on(task)
        self._channel = state.task_channels[demand.channel_sid].unique_name
        self._queue_name = queue.friendly_name if queue else ""
        self._members = None if queue is None else board.eligibility.members(queue.sid)
        self._selects = Clauses(queue.predicate) if queue and queue.predicate else None
        self._matches = Clauses(residual, root="worker") if residual else None
        self._never = why_nobody_matches(task, demand.residual, target, now_ms)
        self._not_named = Verdict(Reason.KNOWN_WORKER if target else Reason.ROUTING_TARGET)
        self._not_selected: dict[Clause | None, Verdict] = {}
        self._not_matching: dict[Clause, Verdict] = {}
        self._by_obstacle = {obstacle: Verdict(reason) for obstacle, reason in _REASON_OF.items()}
        self._by_activity = {
            activity.sid: Verdict(Reason.ACTIVITY, None, activity.friendly_name)
            for activity in state.activities.values()
        }

    def verdict(self, worker: Worker) -> Verdict:
        """Return the first reason against a worker; `Reason.NONE` when it can be offered the task now."""
        demand = self._demand
        if not self._eligibility.is_eligible(demand, worker):
            return self._ineligible(worker)
        if worker.sid in self._working_on_it:
            return _WORKING_ON_IT
        if not demand.ignores_capacity:
            activity = self._state.activities[worker.activity_sid]
            obstacle = self._obstacle(worker, activity)
            if obstacle is Obstacle.ACTIVITY:
                return self._by_activity[activity.sid]
            if obstacle is not None:
                return self._by_obstacle[obstacle]
        refusal = self._task.refusals.get(worker.sid)
        return _BACKING_OFF if refusal is not None and refusal.holds(self._now_ms) else _READY

    def view(self, worker: Worker, verdict: Verdict) -> WorkerReasonView:
        """Say what the verdict is, with the worker's actual value."""
        tell = _TELL.get(verdict.reason)
        explanation = self.says(verdict) if tell is None else tell(self, worker, verdict)
        return WorkerReasonView(worker.sid, worker.friendly_name, verdict.reason, explanation)

    def says(self, verdict: Verdict) -> str:
        """Say what all workers with this verdict have in common."""
        return _SAY[verdict.reason](self, verdict)

    def unblocked(self, verdict: Verdict) -> str:
        """Say what would make the reason go away, as one phrase."""
        if verdict.reason is Reason.TARGET_WORKERS and verdict.clause is None:
            return "when the queue's TargetWorkers changes"
        if verdict.reason is Reason.TARGET_EXPRESSION and self._never is not None:
            phrase = "when the task's attributes change"
        else:
            clause = verdict.clause.text if verdict.clause is not None else ""
            phrase = _UNBLOCKED[verdict.reason].format(clause=clause, channel=self._channel)
        moves_on = verdict.reason in _OF_THE_STEP and self._task.step_deadline_ms is not None
        return f"{phrase}, or when the step of its workflow times out" if moves_on else phrase

    def _obstacle(self, worker: Worker, activity: Activity) -> Obstacle | None:
        channel = worker.channels[self._demand.channel_sid]
        multi_task_enabled = self._state.workspace.multi_task_enabled
        return capacity.obstacle(worker, channel, activity, multi_task_enabled)

    def _ineligible(self, worker: Worker) -> Verdict:
        if self._members is not None and worker.sid not in self._members:
            clause = self._selects.first_failing(worker.values) if self._selects else None
            verdict = self._not_selected.get(clause)
            if verdict is None:
                verdict = self._not_selected[clause] = Verdict(Reason.TARGET_WORKERS, clause)
            return verdict
        failing = self._matches.first_failing(worker.environment) if self._matches else None
        if failing is None:
            return self._not_named
        verdict = self._not_matching.get(failing)
        if verdict is None:
            verdict = self._not_matching[failing] = Verdict(Reason.TARGET_EXPRESSION, failing)
        return verdict

    # Words

    def say_target_workers(self, verdict: Verdict) -> str:
        """`TargetWorkers: level >= 3 is false`"""
        if verdict.clause is None:
            return f"TargetWorkers of {self._queue_name} is empty: it takes nobody"
        return f"TargetWorkers: {verdict.clause.failure}"

    def say_target_expression(self, verdict: Verdict) -> str:
        """`worker.level >= 3 is false`"""
        assert verdict.clause is not None
        return self._never or verdict.clause.failure

    def say_named(self, _verdict: Verdict) -> str:
        """`only worker 'bob' may take it`"""
        assert self._demand.named is not None
        value = self._demand.named[1]
        if value is None:
            return "nobody may take it: the known worker's name is missing"
        return f"only worker {value_shown(value)} may take it"

    def tell_target_workers(self, worker: Worker, verdict: Verdict) -> str:
        """`TargetWorkers: level >= 3 is false: level is 2`"""
        if verdict.clause is None:
            return self.say_target_workers(verdict)
        return f"TargetWorkers: {verdict.clause.why_not(worker.values)}"

    def tell_target_expression(self, worker: Worker, verdict: Verdict) -> str:
        """`worker.level >= 3 is false: level is 2`"""
        assert verdict.clause is not None
        return self._never or verdict.clause.why_not(worker.environment)

    def tell_capacity(self, worker: Worker, _verdict: Verdict) -> str:
        """`voice capacity 1/1 used`"""
        channel = worker.channels[self._demand.channel_sid]
        return f"{self._channel} capacity {capacity.in_use(channel)}/{channel.configured_capacity} used"

    def tell_back_off(self, worker: Worker, _verdict: Verdict) -> str:
        """`rejected 4 s ago, offered again in 1 s`"""
        refusal = self._task.refusals[worker.sid]
        ago_s = max(self._now_ms - refusal.ended_ms, 0) // 1000
        wait_s = -((self._now_ms - refusal.until_ms) // 1000)
        return f"{_ENDED.get(refusal.status, refusal.status)} {ago_s} s ago, offered again in {wait_s} s"

    def say_channel(self, _verdict: Verdict) -> str:
        """`voice channel is switched off`"""
        return f"{self._channel} channel is switched off"

    def say_capacity(self, _verdict: Verdict) -> str:
        """`voice capacity is used up`"""
        return f"{self._channel} capacity is used up"


def why_nobody_matches(
    task: Task, residual: Expression | None, target: Target | None, now_ms: int
) -> str | None:
    """Say why a bound target expression is false for everybody; None when it depends on the worker."""
    if residual is None or residual.constant is not False or target is None or target.expression is None:
        return None
    roots: dict[str, Any] = {"task": task.values}
    if target.reads_time:
        roots["taskrouter"] = time_values(now_ms)
    return why_never(target.expression, roots) or f"{target.expression.text} holds for nobody"


_SAY: dict[Reason, Callable[[Judge, Verdict], str]] = {
    Reason.TARGET_WORKERS: Judge.say_target_workers,
    Reason.TARGET_EXPRESSION: Judge.say_target_expression,
    Reason.KNOWN_WORKER: Judge.say_named,
    Reason.ROUTING_TARGET: Judge.say_named,
    Reason.WORKING_ON_IT: lambda *_: "is working on it already",
    Reason.ACTIVITY: lambda _, verdict: f"activity {verdict.activity_name} is not available",
    Reason.CHANNEL: Judge.say_channel,
    Reason.CAPACITY: Judge.say_capacity,
    Reason.SINGLE_TASKING: lambda *_: "busy: a single-tasking workspace allows one reservation at a time",
    Reason.BACK_OFF: lambda *_: "refused it lately",
    Reason.NONE: lambda *_: "can be offered it now",
}

_TELL: dict[Reason, Callable[[Judge, Worker, Verdict], str]] = {
    Reason.TARGET_WORKERS: Judge.tell_target_workers,
    Reason.TARGET_EXPRESSION: Judge.tell_target_expression,
    Reason.CAPACITY: Judge.tell_capacity,
    Reason.BACK_OFF: Judge.tell_back_off,
}

_OF_THE_STEP = {Reason.TARGET_WORKERS, Reason.TARGET_EXPRESSION, Reason.KNOWN_WORKER}

_UNBLOCKED = {
    Reason.TARGET_WORKERS: "when a worker's attributes make {clause} true, or TargetWorkers changes",
    Reason.TARGET_EXPRESSION: "when a worker for whom {clause} holds is available",
    Reason.KNOWN_WORKER: "when the worker that the task names is available",
    Reason.ROUTING_TARGET: "when the worker that the task is for is available",
    Reason.WORKING_ON_IT: "when the worker wraps up or completes its own reservation",
    Reason.ACTIVITY: "when the worker moves to an available activity",
    Reason.CHANNEL: "when the {channel} channel is switched on for the worker",
    Reason.CAPACITY: "when a {channel} reservation of the worker ends, or its capacity is raised",
    Reason.SINGLE_TASKING: "when the worker's open reservation ends",
    Reason.BACK_OFF: "by itself, when the back-off ends",
    Reason.NONE: "by itself: it is offered as soon as the tasks before it are",
}
