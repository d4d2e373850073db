"""The matching pass: best task ↔ best worker, until nothing fits (behaviour §4, §7).

Theory of operation
-------------------
There is one order of all waiting tasks (`waiting.order_key`) and one order of the workers for a task: its
order_by if it has one, then longest since the last reservation. A pass repeats: of all tasks with a worker
to offer them to, take the first; reserve its best workers. Only dirty classes can hold such a task, so the
pass merges their heads with a heap. A class made dirty on the way (a reservation changed figures that an
expression reads) joins the heap before the next decision. A task whose ready workers all refused it lately
is parked; the next one of its class gets its turn.
"""

import heapq
from operator import attrgetter

from engine.routing.board import Board
from engine.routing.deadlines import Due
from engine.routing.effects import RoutingWarning
from engine.routing.eligibility import EligibilityClass
from engine.routing.entities import ReservationStatus, Task, Worker
from engine.routing.progress import should_skip, skip_step
from engine.routing.rounds import start_round
from engine.routing.waiting import OrderKey

_Heap = list[tuple[OrderKey, int, EligibilityClass]]


def match(board: Board, now_ms: int, limit: int) -> bool:
    """Make up to `limit` decisions; returns whether there may be more to make."""
    decisions = 0
    while True:
        decisions += _pass(board, now_ms, limit - decisions)
        if decisions >= limit:
            return bool(board.eligibility.dirty or board.skip_if_open)
        if not _ask_to_skip(board, now_ms):
            return False


def _pass(board: Board, now_ms: int, limit: int) -> int:
    """Make decisions in the heap's order. What changes a class pushes it anew; its older entries are void."""
    heap: _Heap = []
    decisions = 0
    dirty = board.eligibility.dirty
    while decisions < limit:
        _take_dirty(board, heap)
        if not heap:
            return decisions
        key, _, class_ = heapq.heappop(heap)
        if class_.waiting.head() != key or not class_.ready:
            continue
        task = board.state.tasks[key[-1]]
        workers = choose_workers(board, class_, task, now_ms)
        if workers:
            _note_choice(board, class_, task, workers, now_ms)
            start_round(board, task, workers, now_ms)
        else:
            _park(board, class_, task, now_ms)
        decisions += 1
        _push(heap, class_)
    for _, _, class_ in heap:
        dirty[class_.key] = class_
    return decisions


def _take_dirty(board: Board, heap: _Heap) -> None:
    dirty = board.eligibility.dirty
    for class_ in dirty.values():
        _push(heap, class_)
    dirty.clear()


def _push(heap: _Heap, class_: EligibilityClass) -> None:
    head = class_.waiting.head()
    if head is not None and class_.ready:
        heapq.heappush(heap, (head, class_.sequence, class_))


def choose_workers(board: Board, class_: EligibilityClass, task: Task, now_ms: int) -> list[Worker]:
    """Return the best ready workers for a task, up to its queue's MaxReservedWorkers."""
    state = board.state
    queue = state.task_queues.get(class_.demand.queue_sid or "")
    count = queue.max_reserved_workers if queue else 1
    ready = offerable(class_, task, now_ms)
    if not ready:
        return []
    ordered = _in_given_order(board, class_, task, ready, count) if class_.demand.order_by else None
    if ordered is None:
        ordered = _longest_idle(board, class_, ready, count)
    return [state.workers[sid] for sid in ordered]


def offerable(class_: EligibilityClass, task: Task, now_ms: int) -> set[str]:
    """Return the SIDs of the workers that a waiting task can be offered to now.

    Those who refused it lately, and those who are working on it while it is being transferred, cannot.
    """
    ready = class_.ready
    if task.reservations:
        ready = ready - working_on(task)
    if not task.refusals:
        return ready
    return ready - {sid for sid, refusal in task.refusals.items() if refusal.holds(now_ms)}


def working_on(task: Task) -> set[str]:
    """Return the SIDs of the workers with an accepted reservation of a task."""
    return {
        reservation.worker_sid
        for reservation in task.reservations.values()
        if reservation.status is ReservationStatus.ACCEPTED
    }


def _note_choice(
    board: Board, class_: EligibilityClass, task: Task, workers: list[Worker], now_ms: int
) -> None:
    channel_sid = class_.demand.channel_sid
    own_line = board.state.task_channels[channel_sid].channel_optimized_routing
    idle_since_ms: dict[str, int | None] = {}
    for worker in workers:
        idle_since_ms[worker.sid] = (worker.channels[channel_sid] if own_line else worker).last_reserved_ms
    board.choices[task.sid] = len(offerable(class_, task, now_ms)), idle_since_ms


def _in_given_order(
    board: Board, class_: EligibilityClass, task: Task, ready: set[str], count: int
) -> list[str] | None:
    order_by = class_.demand.order_by
    assert order_by is not None
    keyed = []
    unordered = []
    for sid in ready:
        worker = board.state.workers[sid]
        key = order_by.key(worker.environment)
        if key is None:
            unordered.append(sid)
        else:
            keyed.append((key, board.eligibility.idle_key(worker, task.task_channel_sid), sid))
    if unordered:
        sid = min(unordered)
        message = f"order_by ignored for this round: worker {sid} has a value that is no integer"
        board.state.warn(RoutingWarning(20001, message, task.sid, sid, task.workflow_sid))
        return None
    return [sid for _, _, sid in heapq.nsmallest(count, keyed)]


def _longest_idle(board: Board, class_: EligibilityClass, ready: set[str], count: int) -> list[str]:
    eligibility = board.eligibility
    channel_sid = class_.demand.channel_sid
    if class_.demand.ignores_capacity:
        workers = board.state.workers
        return heapq.nsmallest(count, ready, key=lambda sid: eligibility.idle_key(workers[sid], channel_sid))
    line = eligibility.line(channel_sid)
    if len(ready) <= board.state.limits.ready_scan_max:
        key = line.keys.__getitem__
        return [min(ready, key=key)] if count == 1 else heapq.nsmallest(count, ready, key=key)
    chosen = []
    for sid in line:
        if sid in ready:
            chosen.append(sid)
            if len(chosen) == count:
                break
    return chosen


def _park(board: Board, class_: EligibilityClass, task: Task, now_ms: int) -> None:
    until_ms = min(
        (
            refusal.until_ms
            for sid, refusal in task.refusals.items()
            if sid in class_.ready and refusal.holds(now_ms)
        ),
        default=None,
    )
    board.eligibility.park_task(task)
    if until_ms is not None:
        board.state.deadlines.set(Due.OFFER_AGAIN, task.sid, until_ms)


def _ask_to_skip(board: Board, now_ms: int) -> bool:
    tasks = board.state.tasks
    skipped = False
    for task in sorted((tasks[sid] for sid in board.skip_if_open), key=attrgetter("sequence")):
        board.set_skip_if_open(task, False)
        if should_skip(board, task):
            skip_step(board, task, now_ms)
            skipped = True
    return skipped
