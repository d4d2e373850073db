"""Run the simulator at length: `python -m tests.simulation --seed N --days D --runs R`."""

import argparse
import hashlib
import sys
import time
from collections import Counter

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation.journal import Report
from tests.simulation.simulation import simulate


def main() -> int:
    """Run what the arguments say; returns 1 when something was found."""
    options = _options()
    console = Console(soft_wrap=True)
    reports = []
    began_s = time.perf_counter()
    with _progress(console) as progress:
        bar = progress.add_task("", total=options.runs * options.days)
        for seed in range(options.seed, options.seed + options.runs):
            progress.update(bar, description=f"seed {seed}")
            report = simulate(seed, options.days, on_day=lambda days: progress.advance(bar, days))
            reports.append(report)
            if options.runs > 1:
                progress.console.print(_line(report), markup=False, highlight=False)
            if report.finding is not None:
                break
    _summarize(console, reports, time.perf_counter() - began_s)
    found = reports[-1]
    if found.finding is None:
        return 0
    console.print(f"\nFINDING with seed {found.seed}; the last steps:", style="bold red")
    for line in found.last_steps:
        console.print(f"  {line}", markup=False, highlight=False)
    console.print(f"\n{found.finding}", markup=False, highlight=False)
    console.print(f"\nAgain: python -m tests.simulation --seed {found.seed} --days {options.days:g}")
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="decides everything (default: 1)")
    parser.add_argument("--days", type=float, default=1.0, help="simulated days of each run (default: 1)")
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, from this one on (default: 1)")
    return parser.parse_args()


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:g} of {task.total:g} days"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _line(report: Report) -> str:
    verdict = "ok" if report.finding is None else "FINDING"
    return (
        f"seed {report.seed}: {report.workspace_days:g} workspace-days, {report.commits:,} commits, {verdict}"
    )


def _summarize(console: Console, reports: list[Report], took_s: float) -> None:
    injected: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    combined = hashlib.sha256()
    for report in reports:
        injected.update(report.injected)
        answers.update(report.answers)
        combined.update(report.history.encode())
    lines = [("workspace-days", f"{sum(report.workspace_days for report in reports):g}")]
    figures = ("commands", "steps", "commits", "events")
    lines += [(name, f"{sum(getattr(report, name) for report in reports):,}") for name in figures]
    for title, counter in (("answer", answers), ("made to happen", injected)):
        lines += [(f"{title}: {what}", f"{number:,}") for what, number in sorted(counter.items())]
    lines += [("seconds", f"{took_s:.1f}"), ("history", combined.hexdigest())]
    for what, number in lines:
        console.print(f"{what:64} {number}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
