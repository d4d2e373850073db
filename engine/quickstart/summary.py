"""How the quickstart ends: what was measured, and how to go on."""

import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import ceil
from pathlib import Path

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from engine.quickstart.app import Assignment
from engine.quickstart.daemon_process import Daemon

SNIPPET = """\
from twilio.rest import Client  # pip install twilio
account_sid = "{account_sid}"
client = Client(account_sid, "{auth_token}")
client.taskrouter.base_url = "{base_url}"
v1 = client.taskrouter.v1
ws = v1.workspaces(v1.workspaces.create("Mine", template="FIFO").sid)
ready = ws.activities.list(available="true")[0]
ws.workers.create("Ada", activity_sid=ready.sid)
task = ws.tasks.create(workflow_sid=ws.workflows.list()[0].sid)
print([r.worker_name for r in ws.tasks(task.sid).reservations.list()])
"""
SERVE_URL = "http://127.0.0.1:8080"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of `values`, which must not be empty."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)]


def print_summary(console: Console, assignments: Sequence[Assignment], completed: int, total: int) -> None:
    """Print the waits of all tasks, then per queue and per worker."""
    console.print()
    console.print(
        f"[bold]{len(assignments)} of {total} tasks assigned[/bold], {completed} completed", highlight=False
    )
    if not assignments:
        return
    waits = [assignment.wait_ms for assignment in assignments]
    console.print(
        f"Wait: p50 {percentile(waits, 50):.0f} ms, p95 {percentile(waits, 95):.0f} ms, "
        f"longest {max(waits):.0f} ms",
        highlight=False,
    )
    tables = [
        _table("Queue", assignments, lambda assignment: assignment.queue),
        _table("Worker", assignments, lambda assignment: assignment.worker),
    ]
    console.print(Columns(tables, padding=(0, 4)))


def _table(title: str, assignments: Sequence[Assignment], key: Callable[[Assignment], str]) -> Table:
    waits: defaultdict[str, list[float]] = defaultdict(list)
    for assignment in assignments:
        waits[key(assignment)].append(assignment.wait_ms)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(title)
    for column in ("Tasks", "p50 ms", "p95 ms"):
        table.add_column(column, justify="right")
    for name in sorted(waits):
        of_name = waits[name]
        table.add_row(
            name, str(len(of_name)), f"{percentile(of_name, 50):.0f}", f"{percentile(of_name, 95):.0f}"
        )
    return table


def print_how_to_go_on(console: Console, daemon: Daemon, keep: bool) -> None:
    """Print the serve command, the credentials and a client to start from."""

    def lines(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    if keep:
        lines(f"This daemon keeps running at {daemon.base_url} until Ctrl-C; its data goes with it.")
        lines("To run one for good:\n")
    else:
        lines("That daemon and its data are gone. To run one for good:\n")
    lines(f"  export POINTSMAN_ACCOUNT_SID={daemon.account_sid}", "cyan")
    lines(f"  export POINTSMAN_AUTH_TOKEN={daemon.auth_token}", "cyan")
    lines(f"  {_program()} serve\n", "cyan")
    lines("Then point a Twilio client at it:\n")
    base_url = daemon.base_url if keep else SERVE_URL
    snippet = SNIPPET.format(account_sid=daemon.account_sid, auth_token=daemon.auth_token, base_url=base_url)
    lines("".join(f"  {line}\n" for line in snippet.splitlines()), "cyan")


def _program() -> str:
    """How this program was called, as the user would type it again."""
    name = sys.argv[0]
    if Path(name).name != "pointsman":
        return f"{sys.executable} -m engine"
    return name
