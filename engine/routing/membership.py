"""The members of every queue: the workers that its TargetWorkers selects (behaviour §4, §6)."""

from engine.routing.anchors import Anchor, AnchoredItems, WorkerPostings, anchor_of
from engine.routing.entities import TaskQueue, Worker


class QueueMembers:
    """Members by queue SID, kept up to date for every change of a worker or a queue.

    Args:
        queues: the workspace's queues, by SID.
        workers: the workspace's workers, by SID.
        postings: the workers by their values; kept by the owner.
    """

    __slots__ = ("_anchored", "_anchors", "_postings", "_queues", "_queues_of", "_workers", "of")

    def __init__(
        self, queues: dict[str, TaskQueue], workers: dict[str, Worker], postings: WorkerPostings
    ) -> None:
        self._queues = queues
        self._workers = workers
        self._postings = postings
        self._anchors: dict[str, Anchor | None] = {}
        self._anchored: AnchoredItems[str] = AnchoredItems()
        self._queues_of: dict[str, dict[str, None]] = {}
        self.of: dict[str, set[str]] = {}

    def put_queue(self, queue: TaskQueue) -> None:
        """Take in a new queue, or one whose expression may have changed."""
        if queue.sid in self._anchors:
            self._anchored.remove(queue.sid, self._anchors[queue.sid])
        members = self.of.setdefault(queue.sid, set())
        anchor = anchor_of(queue.predicate, ()) if queue.predicate else None
        self._anchors[queue.sid] = anchor
        self._anchored.add(queue.sid, anchor)
        candidates = dict.fromkeys(members)
        if anchor is None:
            candidates.update(dict.fromkeys(self._workers))
        else:
            everybody = ((worker.sid, worker.values) for worker in self._workers.values())
            candidates.update(dict.fromkeys(self._postings.find(anchor, everybody)))
        for worker_sid in candidates:
            self._set(queue, self._workers[worker_sid])

    def remove_queue(self, queue_sid: str) -> None:
        """Forget a queue."""
        self._anchored.remove(queue_sid, self._anchors.pop(queue_sid))
        for worker_sid in self.of.pop(queue_sid):
            del self._queues_of[worker_sid][queue_sid]

    def put_worker(self, worker: Worker) -> None:
        """Take in a new worker, or one whose values changed."""
        affected = dict(self._queues_of.get(worker.sid, {}))
        affected.update(dict.fromkeys(self._anchored.concerning(worker.values)))
        for queue_sid in affected:
            self._set(self._queues[queue_sid], worker)

    def remove_worker(self, worker_sid: str) -> None:
        """Forget a worker."""
        for queue_sid in self._queues_of.pop(worker_sid, {}):
            self.of[queue_sid].discard(worker_sid)

    def _set(self, queue: TaskQueue, worker: Worker) -> None:
        if queue.predicate is not None and queue.predicate.evaluate(worker.values):
            self.of[queue.sid].add(worker.sid)
            self._queues_of.setdefault(worker.sid, {})[queue.sid] = None
        else:
            self.of[queue.sid].discard(worker.sid)
            self._queues_of.get(worker.sid, {}).pop(queue.sid, None)
