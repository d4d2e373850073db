"""Counters of the open tasks, kept as tasks change, so that asking costs nothing that grows with the backlog.

Theory of operation
-------------------
The core notes each changed task once per batch (`Changes.tasks`); the tally takes those notes in when the
batch ends, and before it answers a question in the middle of one. A task is counted in one bucket per scope
it belongs to: its workspace, its queue, its workflow, each for the task's channel.

Each bucket has its tasks in heaps, oldest first, to find the one that waits longest. An entry is pushed once,
when its task joins the bucket. What surfaces and has left the bucket is dropped; what surfaces and does not
wait at present is laid aside, and pushed again when it waits again. A heap that is mostly leftovers is
made anew.
"""

import heapq
from collections.abc import Iterable

from engine.routing.effects import Changes, Kind
from engine.routing.entities import Task, TaskStatus
from engine.routing.statistics_views import TaskFigures, Waiting

WORKSPACE = ""
"""The scope of everything, beside the SIDs of queues and workflows."""

STATUSES = (TaskStatus.PENDING, TaskStatus.RESERVED, TaskStatus.ASSIGNED, TaskStatus.WRAPPING)
_INDEX = {status: index for index, status in enumerate(STATUSES)}
_PENDING = 0
_TIDY_MASK = 255
"""Only at every 256th entry a heap is looked at for leftovers."""

Entry = tuple[int, int, str]
"""(milliseconds since the epoch, the task's sequence, its SID): total order, oldest first."""


class _Kept:
    """A task as it is counted."""

    __slots__ = (
        "buckets",
        "channel",
        "created",
        "entered",
        "entered_ms",
        "priority",
        "queue",
        "status",
        "workflow",
    )

    def __init__(self, task: Task, status: int) -> None:
        self.status = status
        self.priority = task.priority
        self.channel = task.task_channel_sid
        self.queue = task.task_queue_sid
        self.workflow = task.workflow_sid
        self.entered_ms = task.task_queue_entered_ms
        self.created: Entry = (task.date_created_ms, task.sequence, task.sid)
        self.entered: Entry | None = None
        if task.task_queue_sid is not None and task.task_queue_entered_ms is not None:
            at_once = task.task_queue_entered_ms == task.date_created_ms
            self.entered = self.created if at_once else (task.task_queue_entered_ms, task.sequence, task.sid)
        self.buckets: tuple[Bucket, ...] = ()

    def is_where(self, task: Task) -> bool:
        """Tell whether nothing but the status may have changed."""
        return (
            self.queue == task.task_queue_sid
            and self.priority == task.priority
            and self.entered_ms == task.task_queue_entered_ms
            and self.channel == task.task_channel_sid
            and self.workflow == task.workflow_sid
        )


class _Oldest:
    """A heap of entries with the rules of the module's theory."""

    __slots__ = ("aside", "heap")

    def __init__(self) -> None:
        self.heap: list[Entry] = []
        self.aside: set[Entry] = set()

    def wait_again(self, entry: Entry) -> None:
        if entry in self.aside:
            self.aside.remove(entry)
            heapq.heappush(self.heap, entry)


class Bucket:
    """The open tasks of one scope on one channel."""

    __slots__ = ("channel", "created", "entered", "priorities", "scope", "statuses")

    def __init__(self, scope: str, channel: str) -> None:
        self.scope = scope
        self.channel = channel
        self.statuses = [0] * len(STATUSES)
        self.priorities: dict[int, int] = {}
        self.created = _Oldest()
        self.entered = _Oldest()


class Tally:
    """The counters of one workspace."""

    __slots__ = ("_scopes", "_tasks", "_together")

    def __init__(self) -> None:
        self._tasks: dict[str, _Kept] = {}
        self._scopes: dict[str, dict[str, Bucket]] = {}
        self._together: dict[tuple[str | None, str | None, str], tuple[Bucket, ...]] = {}

    def take_in(self, changes: Changes) -> None:
        """Count what a batch has changed so far; taking in the same changes again changes nothing."""
        for task in changes.tasks.values():
            self.note(task)
        for kind, sid in changes.removed:
            if kind is Kind.TASK and (kept := self._tasks.get(sid)) is not None:
                self._leave(sid, kept)

    def note(self, task: Task) -> None:
        """Count a task as it is now."""
        kept = self._tasks.get(task.sid)
        status = _INDEX.get(task.status)
        if kept is None:
            if status is not None:
                self._enter(task, status)
        elif status is None:
            self._leave(task.sid, kept)
        elif not kept.is_where(task):
            self._leave(task.sid, kept)
            self._enter(task, status)
        elif kept.status != status:
            _change_status(kept, status)

    def counts(self) -> dict[str, int]:
        """Return how many open tasks of the workspace have each status."""
        counted = [bucket.statuses for bucket in self._scopes.get(WORKSPACE, {}).values()]
        return {str(status): sum(each[index] for each in counted) for index, status in enumerate(STATUSES)}

    def figures(self, scope: str, channel: str | None = None) -> TaskFigures:
        """Return the figures of the workspace, a queue or a workflow; of all channels, or of one."""
        buckets = self._scopes.get(scope, {})
        if channel is not None:
            chosen = [buckets[channel]] if channel in buckets else []
        else:
            chosen = list(buckets.values())
        statuses = [0] * len(STATUSES)
        priorities: dict[int, int] = {}
        for bucket in chosen:
            for index, count in enumerate(bucket.statuses):
                statuses[index] += count
            for priority, count in bucket.priorities.items():
                priorities[priority] = priorities.get(priority, 0) + count
        return TaskFigures(
            by_status={str(status): statuses[index] for index, status in enumerate(STATUSES)},
            by_priority=dict(sorted(priorities.items())),
            longest=_waiting(self._head(bucket, bucket.created) for bucket in chosen),
            longest_in_queue=_waiting(self._head(bucket, bucket.entered) for bucket in chosen),
        )

    def _enter(self, task: Task, status: int) -> None:
        kept = self._tasks[task.sid] = _Kept(task, status)
        created, priority = kept.created, kept.priority
        kept.buckets = self._buckets(kept.queue, kept.workflow, kept.channel)
        for bucket in kept.buckets:
            bucket.statuses[status] += 1
            priorities, heap = bucket.priorities, bucket.created.heap
            priorities[priority] = priorities.get(priority, 0) + 1
            heapq.heappush(heap, created)
            if not len(heap) & _TIDY_MASK:
                self._tidy(bucket, bucket.created)
        if kept.entered is not None:
            bucket = kept.buckets[1]
            heapq.heappush(bucket.entered.heap, kept.entered)
            if not len(bucket.entered.heap) & _TIDY_MASK:
                self._tidy(bucket, bucket.entered)

    def _leave(self, sid: str, kept: _Kept) -> None:
        del self._tasks[sid]
        for bucket in kept.buckets:
            bucket.statuses[kept.status] -= 1
            left = bucket.priorities[kept.priority] - 1
            if left:
                bucket.priorities[kept.priority] = left
            else:
                del bucket.priorities[kept.priority]
            bucket.created.aside.discard(kept.created)
            if kept.entered is not None:
                bucket.entered.aside.discard(kept.entered)
            if not bucket.priorities:
                self._forget(bucket)

    def _buckets(self, queue: str | None, workflow: str | None, channel: str) -> tuple[Bucket, ...]:
        """Return the buckets of a task: one tuple for all tasks in the same ones."""
        key = queue, workflow, channel
        buckets = self._together.get(key)
        if buckets is None:
            scopes = (scope for scope in (WORKSPACE, queue, workflow) if scope is not None)
            buckets = self._together[key] = tuple(self._bucket(scope, channel) for scope in scopes)
        return buckets

    def _bucket(self, scope: str, channel: str) -> Bucket:
        buckets = self._scopes.get(scope)
        if buckets is None:
            buckets = self._scopes[scope] = {}
        bucket = buckets.get(channel)
        if bucket is None:
            bucket = buckets[channel] = Bucket(scope, channel)
        return bucket

    def _forget(self, bucket: Bucket) -> None:
        self._together.clear()
        buckets = self._scopes[bucket.scope]
        del buckets[bucket.channel]
        if not buckets:
            del self._scopes[bucket.scope]

    def _member(self, bucket: Bucket, oldest: _Oldest, entry: Entry) -> _Kept | None:
        """Return the task of an entry if it is in the bucket, and that entry stands for it."""
        kept = self._tasks.get(entry[2])
        if kept is None or bucket not in kept.buckets:
            return None
        own = kept.created if oldest is bucket.created else kept.entered
        return kept if own == entry else None

    def _head(self, bucket: Bucket, oldest: _Oldest) -> Entry | None:
        heap = oldest.heap
        while heap:
            entry = heap[0]
            kept = self._member(bucket, oldest, entry)
            if kept is not None and kept.status == _PENDING:
                return entry
            heapq.heappop(heap)
            if kept is not None:
                oldest.aside.add(entry)
        return None

    def _tidy(self, bucket: Bucket, oldest: _Oldest) -> None:
        if len(oldest.heap) <= 2 * sum(bucket.statuses):
            return
        entries = {entry for entry in oldest.heap if self._member(bucket, oldest, entry) is not None}
        oldest.heap = list(entries - oldest.aside)
        heapq.heapify(oldest.heap)


def _change_status(kept: _Kept, status: int) -> None:
    for bucket in kept.buckets:
        bucket.statuses[kept.status] -= 1
        bucket.statuses[status] += 1
    kept.status = status
    if status == _PENDING:
        for bucket in kept.buckets:
            bucket.created.wait_again(kept.created)
        if kept.entered is not None:
            kept.buckets[1].entered.wait_again(kept.entered)


def _waiting(heads: Iterable[Entry | None]) -> Waiting:
    oldest = min((head for head in heads if head is not None), default=None)
    return Waiting() if oldest is None else Waiting(oldest[2], oldest[0])
