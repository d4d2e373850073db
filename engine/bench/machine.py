"""What a figure is worth nothing without: the machine, the versions, how busy it was."""

import os
import platform
from pathlib import Path
from typing import Any

from engine import __version__


def machine() -> dict[str, Any]:
    """Return what is known of this machine; what cannot be told is None."""
    return {
        "cpus": usable_cpus(),
        "cpu": _line("/proc/cpuinfo", "model name"),
        "memory_mb": _memory_mb(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "pointsman": __version__,
        "load_average": round(os.getloadavg()[0], 2),
    }


def usable_cpus() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _memory_mb() -> int | None:
    text = _line("/proc/meminfo", "MemTotal")
    return int(text.split()[0]) // 1024 if text else None


def _line(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
