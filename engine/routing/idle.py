"""The idle line: ready workers, longest since their last reservation first (behaviour §4, OQ-4)."""

from collections.abc import Iterator

from sortedcontainers import SortedKeyList

IdleKey = tuple[int, int]
"""(sequence of the last reservation, 0 for never; the worker's own sequence): unique per worker."""


class IdleLine:
    """Ready workers in the order of selection."""

    __slots__ = ("_keys", "_line")

    def __init__(self) -> None:
        self._keys: dict[str, IdleKey] = {}
        self._line: SortedKeyList[tuple[IdleKey, str], IdleKey] = SortedKeyList(key=_key_of)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, worker_sid: str) -> bool:
        return worker_sid in self._keys

    def __iter__(self) -> Iterator[str]:
        return (sid for _, sid in self._line)

    def key(self, worker_sid: str) -> IdleKey:
        """Return the key of a worker in the line."""
        return self._keys[worker_sid]

    def put(self, worker_sid: str, key: IdleKey) -> bool:
        """Put a worker in, or move it; returns whether it was not in before."""
        old = self._keys.get(worker_sid)
        if old == key:
            return False
        if old is not None:
            self._line.remove((old, worker_sid))
        self._keys[worker_sid] = key
        self._line.add((key, worker_sid))
        return old is None

    def remove(self, worker_sid: str) -> bool:
        """Take a worker out; returns whether it was in."""
        key = self._keys.pop(worker_sid, None)
        if key is None:
            return False
        self._line.remove((key, worker_sid))
        return True


def _key_of(entry: tuple[IdleKey, str]) -> IdleKey:
    return entry[0]
