"""The idle line: ready workers, longest since their last reservation first (behaviour §4, OQ-4)."""

from collections.abc import Iterator, Mapping

from sortedcontainers import SortedKeyList

IdleKey = tuple[int, int]
"""(sequence of the last reservation, 0 for never; the worker's own sequence): unique per worker."""


class IdleLine:
    """Ready workers in the order of selection.

    Every reservation moves a worker, and few decisions need the order of all of them: what moved is sorted in
    when somebody iterates.
    """

    __slots__ = ("_line", "_moved", "keys")

    def __init__(self) -> None:
        self.keys: dict[str, IdleKey] = {}
        """By worker SID; changed by `put` and `remove` alone."""
        self._line: SortedKeyList[tuple[IdleKey, str], IdleKey] = SortedKeyList(key=_key_of)
        self._moved: dict[str, IdleKey | None] = {}
        """Those whose place is not up to date, with the key they stand under; None when they do not."""

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, worker_sid: str) -> bool:
        return worker_sid in self.keys

    def __iter__(self) -> Iterator[str]:
        if self._moved:
            self._sort_in()
        return (sid for _, sid in self._line)

    def put(self, worker_sid: str, key: IdleKey) -> bool:
        """Put a worker in, or move it; returns whether it was not in before."""
        old = self.keys.get(worker_sid)
        if old == key:
            return False
        self.keys[worker_sid] = key
        self._moved.setdefault(worker_sid, old)
        return old is None

    def remove(self, worker_sid: str) -> bool:
        """Take a worker out; returns whether it was in."""
        old = self.keys.pop(worker_sid, None)
        if old is None:
            return False
        self._moved.setdefault(worker_sid, old)
        return True

    def _sort_in(self) -> None:
        moved, self._moved = self._moved, {}
        if 4 * len(moved) > len(self.keys):
            entries = _entries(self.keys)
            self._line = SortedKeyList(entries, key=_key_of)
            return
        for sid, old in moved.items():
            if old is not None:
                self._line.remove((old, sid))
            if (key := self.keys.get(sid)) is not None:
                self._line.add((key, sid))


def _entries(keys: Mapping[str, IdleKey]) -> Iterator[tuple[IdleKey, str]]:
    return ((key, sid) for sid, key in keys.items())


def _key_of(entry: tuple[IdleKey, str]) -> IdleKey:
    return entry[0]
