"""Where a scenario is played, and on what: for the report."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, Any]:
    """Cores, load, commit."""
    git = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cores": os.cpu_count(),
        "load": [round(load, 1) for load in os.getloadavg()],
        "commit": git.stdout.strip() or "unknown",
    }


@contextmanager
def scratch(keep: bool) -> Iterator[Path]:
    """A directory that any account can reach, removed afterwards unless it is to be kept."""
    directory = Path(tempfile.mkdtemp(prefix="pm-chaos-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        if keep:
            say(f"logs are in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def report(scenario: str, figures: dict[str, Any]) -> None:
    """Print the figures as one JSON document."""
    document = {"scenario": scenario, "machine": machine(), **figures}
    sys.stdout.write(json.dumps(document, indent=2) + "\n")


def say(text: str) -> None:
    """Tell on standard error what is going on."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
