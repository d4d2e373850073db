"""CPU seconds of processes and their children, read from /proc; nothing where there is no /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def tree_cpu_s(roots: list[int], *, without: frozenset[int] = frozenset()) -> float | None:
    """Return the CPU time used so far by processes and all their descendants, ended ones included.

    `without` are processes that are left out with their descendants. None when it cannot be told.
    """
    if not (PROC / "self" / "stat").exists():
        return None
    ticks, parents = _read()
    total = sum(own for pid, own in ticks.items() if _descends(pid, roots, without, parents))
    return total / os.sysconf("SC_CLK_TCK")


def _read() -> tuple[dict[int, int], dict[int, int]]:
    ticks: dict[int, int] = {}
    parents: dict[int, int] = {}
    for pid, fields in _stats():
        parents[pid] = int(fields[1])
        # utime and stime, and those of children that ended and were waited for
        ticks[pid] = sum(int(field) for field in fields[11:15])
    return ticks, parents


def _stats() -> Iterator[tuple[int, list[str]]]:
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except OSError:
            continue  # it has ended
        yield int(entry.name), text.rpartition(")")[2].split()


def _descends(pid: int, roots: list[int], without: frozenset[int], parents: dict[int, int]) -> bool:
    while pid in parents:
        if pid in without:
            return False
        if pid in roots:
            return True
        pid = parents[pid]
    return False
