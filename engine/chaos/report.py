"""What is told of a run: a line for each fault, a table at the end, one line of JSON."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from engine.chaos.audit import Findings

FORMAT = 1
"""Of the JSON line; a change of what is there already makes it the next number."""
COLUMNS = ("acknowledged", "lost", "assigned twice", "capacity breaches", "worst pause")
HEADINGS = ("times", "acknowledged", "lost", "twice", "breaches", "pause")


@dataclass(slots=True)
class Outcome:
    """What became of one fault, or of all faults of a kind."""

    fault: str
    times: int = 0
    seconds: float = 0.0
    acknowledged: int = 0
    lost: int = 0
    twice: int = 0
    breaches: int = 0
    worst_pause_s: float = 0.0
    note: str = ""
    problems: list[str] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Add another one of the same kind."""
        self.times += other.times
        self.seconds = round(self.seconds + other.seconds, 3)
        self.acknowledged += other.acknowledged
        self.lost += other.lost
        self.twice += other.twice
        self.breaches += other.breaches
        self.worst_pause_s = max(self.worst_pause_s, other.worst_pause_s)
        self.note = other.note or self.note
        self.problems += other.problems

    def cells(self) -> tuple[str, ...]:
        """Return what stands below COLUMNS."""
        counts = (self.acknowledged, self.lost, self.twice, self.breaches)
        return (*(f"{count:,}" for count in counts), f"{self.worst_pause_s:.2f} s")


class Report:
    """Collects outcomes and shows them.

    Args:
        console: where.
    """

    def __init__(self, console: Console) -> None:
        self.kinds: dict[str, Outcome] = {}
        self._console = console
        self._known: Findings = Findings()

    def doing(self, what: str) -> AbstractContextManager[object]:
        """Show what is being done, on a terminal."""
        return self._console.status(what) if self._console.is_terminal else nullcontext()

    def say(self, text: str) -> None:
        """Say one thing."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def note(self, outcome: Outcome, found: Findings) -> None:
        """Take in what a fault did: what an audit found that the one before did not, is its doing."""
        outcome.acknowledged = found.acknowledged - self._known.acknowledged
        outcome.lost = max(0, found.lost - self._known.lost)
        outcome.twice = max(0, found.twice - self._known.twice)
        outcome.breaches = max(0, found.breaches - self._known.breaches)
        outcome.problems += [text for text in found.problems if text not in self._known.problems]
        self._known = found
        self.kinds.setdefault(outcome.fault, Outcome(outcome.fault)).add(outcome)
        self._line(outcome)

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.total().problems

    def total(self) -> Outcome:
        """Return the sum of everything."""
        total = Outcome("all")
        for outcome in self.kinds.values():
            total.add(outcome)
        total.note = ""
        return total

    def show(self) -> None:
        """Print the table, the verdict and what went wrong."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("fault", no_wrap=True)
        for heading in HEADINGS:
            table.add_column(heading, justify="right", no_wrap=True)
        for outcome in self.kinds.values():
            table.add_row(outcome.fault, str(outcome.times or ""), *outcome.cells())
        self._console.print(table)
        total = self.total()
        verdict = " / ".join(
            f"{cell} {name}" if name != "worst pause" else f"{name} {cell}"
            for name, cell in zip(COLUMNS, total.cells(), strict=True)
        )
        self._console.print(verdict, style="green" if self.ok else "red", highlight=False, soft_wrap=True)
        for problem in total.problems:
            self.say(f"  {problem}")

    def document(self, **head: Any) -> dict[str, Any]:
        """Return everything as JSON has it."""
        faults = [asdict(outcome) for outcome in self.kinds.values()]
        return {
            "pointsman_chaos": FORMAT,
            **head,
            "ok": self.ok,
            "total": asdict(self.total()),
            "faults": faults,
        }

    def _line(self, outcome: Outcome) -> None:
        acknowledged, lost, twice, breaches, pause = outcome.cells()
        self.say(
            f"{outcome.fault:<17}{outcome.seconds:6.1f} s  {acknowledged:>8} acknowledged  {lost} lost  "
            f"{twice} twice  {breaches} breaches  pause {pause}  {outcome.note}".rstrip()
        )
        for problem in outcome.problems:
            self.say(f"  ! {problem}")
