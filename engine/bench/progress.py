"""What is shown while a benchmark runs: a progress bar on a terminal, a line per step elsewhere."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from engine.bench.collector import Collector
from engine.bench.measures import CREATE, OFFER
from engine.bench.scenario import Phase

PLAIN_EVERY_S = 5.0


class Shown:
    """Shows progress on standard error, so that the JSON line has standard output for itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[note]}"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._what = ""
        self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Say one thing."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def step(self, what: str, done: int, total: int) -> None:
        """Show how far a preparation is."""
        self._show(what, done, total, f"{done:,} of {total:,}")

    def load(self, phase: Phase, collector: Collector, elapsed_s: float) -> None:
        """Show how far the load is, with what was measured so far."""
        total_s = phase.warmup_s + phase.seconds
        cycles = phase.kind == "cycles"
        what, name = ("completed", OFFER) if cycles else ("created", CREATE)
        p50, p99 = (collector.percentile_ms(name, percent) for percent in (50, 99))
        note = f"{collector.progress[what]:,} {what}"
        if p99:
            note += f", {'callback' if cycles else 'answer'} p50 {p50:.1f} p99 {p99:.1f} ms"
        if collector.errors:
            note += f", {collector.errors.total()} errors"
        self._show(phase.name, min(elapsed_s, total_s), total_s, note)

    def _show(self, what: str, done: float, total: float, note: str) -> None:
        if self._console.is_terminal:
            self._advance(what, done, total, note)
        elif what != self._what or time.monotonic() - self._said_s > PLAIN_EVERY_S:
            self._said_s = time.monotonic()
            if self._what == what or what in {"workers", "waiting tasks"}:
                self.say(f"{what}: {note}")
        self._what = what

    def _advance(self, what: str, done: float, total: float, note: str) -> None:
        if self._task is None or what != self._what:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(what, total=total, note=note)
        self._bar.update(self._task, completed=done, total=total, note=note)
