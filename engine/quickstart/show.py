"""What the quickstart shows while it runs: a live table on a terminal, plain lines elsewhere."""

from collections import deque
from typing import Protocol

from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from engine.quickstart.app import Assignment

ROWS_MAX = 12
SLOW_MS = 1_000


class Show(Protocol):
    """Shows assignments as they happen."""

    def step(self, text: str) -> None:
        """Say what is being done."""

    def assigned(self, assignment: Assignment) -> None:
        """Show one assignment."""

    def close(self) -> None:
        """Leave the screen as it is."""


def show_for(console: Console, total: int) -> Show:
    """Return the show that suits the console."""
    return LiveShow(console, total) if console.is_terminal else PlainShow(console, total)


class PlainShow:
    """One line per fact."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._count = 0

    def step(self, text: str) -> None:
        """Say what is being done."""
        self._line(text)

    def assigned(self, assignment: Assignment) -> None:
        """Show one assignment."""
        self._count += 1
        request = assignment.request
        self._line(
            f"{self._count:>3}/{self._total}  {request.subject:<24} {request.channel:<6} "
            f"{assignment.queue:<11} {assignment.worker:<7} {assignment.wait_ms:>6.0f} ms"
        )

    def close(self) -> None:
        """Leave the screen as it is."""

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class LiveShow:
    """A table of the latest assignments over a progress bar."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._latest: deque[Assignment] = deque(maxlen=ROWS_MAX)
        self._progress = Progress(
            TextColumn("Tasks assigned"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            expand=True,
        )
        self._bar = self._progress.add_task("", total=total, start=False)
        self._live: Live | None = None

    def step(self, text: str) -> None:
        """Say what is being done."""
        self._console.print(f"[dim]-[/dim] {text}", highlight=False)

    def assigned(self, assignment: Assignment) -> None:
        """Show one assignment."""
        if self._live is None:
            self._progress.start_task(self._bar)
            self._live = Live(console=self._console, refresh_per_second=20)
            self._live.start()
        self._latest.append(assignment)
        self._progress.advance(self._bar)
        self._live.update(Group(self._table(), self._progress))

    def close(self) -> None:
        """Leave the screen as it is."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _table(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
        for name in ("Task", "Channel", "Queue", "Worker"):
            table.add_column(name, no_wrap=True)
        table.add_column("Wait", justify="right", no_wrap=True)
        for assignment in self._latest:
            request = assignment.request
            colour = "yellow" if assignment.wait_ms >= SLOW_MS else "green"
            table.add_row(
                request.subject,
                request.channel,
                assignment.queue,
                f"[bold]{assignment.worker}[/bold]",
                f"[{colour}]{assignment.wait_ms:.0f} ms[/{colour}]",
            )
        for _ in range(ROWS_MAX - len(self._latest)):
            table.add_row()
        return table
