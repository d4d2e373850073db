"""A share of a core for a process and its children, by the CPU controller of Linux (1 or 2); needs root."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_PERIOD_US = 10_000
"""Short, so that a process that used its share does not stand still for long."""


@contextmanager
def cpu_share(cores: float) -> Iterator[Path]:
    """Make a group whose processes get so many cores together; process ids go into the file that it yields.

    Raises OSError when this machine has no CPU controller that may be written.
    """
    first = _ROOT / "cpu" if (_ROOT / "cpu").is_dir() else _ROOT
    group = first / f"pointsman-bench-{secrets.token_hex(4)}"
    group.mkdir()
    quota_us = round(cores * _PERIOD_US)
    try:
        if first == _ROOT:
            (group / "cpu.max").write_text(f"{quota_us} {_PERIOD_US}")
        else:
            (group / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(quota_us))
        yield group / "cgroup.procs"
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            (first / "cgroup.procs").write_text(pid)
        group.rmdir()
