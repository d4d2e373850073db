"""The waiting line of an eligibility class: its tasks in the order they are offered (behaviour §7)."""

import heapq

from engine.routing.entities import Task, TaskOrder

OrderKey = tuple[int, int, int, int, str]
"""The last is the task's SID: whoever has the key has the task."""


def order_key(task: Task, order: TaskOrder, preferred: TaskOrder) -> OrderKey:
    """Return the task's place in the one order of the whole workspace; smaller is offered earlier.

    Queues of the preferred type come first. FIFO: highest priority, then oldest virtual start. LIFO: newest
    virtual start, priority ignored. The unique sequence makes the order total.
    """
    rank = 0 if order is preferred else 1
    if order is TaskOrder.FIFO:
        return rank, -task.priority, task.virtual_start_ms, task.sequence, task.sid
    return rank, -task.virtual_start_ms, -task.sequence, 0, task.sid


class WaitingLine:
    """A priority queue of task SIDs with cheap removal: removed entries are dropped when they surface."""

    __slots__ = ("_heap", "_keys")

    def __init__(self) -> None:
        self._heap: list[OrderKey] = []
        self._keys: dict[str, OrderKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, task_sid: str) -> bool:
        return task_sid in self._keys

    def add(self, key: OrderKey) -> None:
        """Put a task in, or move it to another place."""
        self._keys[key[-1]] = key
        heapq.heappush(self._heap, key)
        if len(self._heap) > 2 * len(self._keys) + 64:
            self._heap = list(self._keys.values())
            heapq.heapify(self._heap)

    def remove(self, task_sid: str) -> None:
        """Take a task out, if it is in."""
        self._keys.pop(task_sid, None)

    def head(self) -> OrderKey | None:
        """Return the key of the first task, or None."""
        heap, keys = self._heap, self._keys
        while heap:
            key = heap[0]
            if keys.get(key[-1]) == key:
                return key
            heapq.heappop(heap)
        return None

    def before(self, key: OrderKey) -> int:
        """Count the tasks whose place is before `key`; looks at all of them."""
        return sum(1 for other in self._keys.values() if other < key)

    def sids(self) -> list[str]:
        """Return all tasks in order; for explanations and checks, not for matching."""
        return [key[-1] for key in sorted(self._keys.values())]
