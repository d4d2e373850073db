"""The report as text."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

NAMES = {
    "create": "create (201)",
    "create_to_callback": "create → callback",
    "accept": "accept",
    "complete": "complete",
    "cycle": "whole cycle",
    "send_lag": "sent late by",
}
COLUMNS = ("p50", "p90", "p99", "p999", "max")


def show(console: Console, report: dict[str, Any]) -> None:
    """Print every phase, the peers and the ratios."""
    for phase in report["phases"]:
        _phase(console, phase)
    for peer in report["peers"]:
        console.print(f"[bold]{peer['name']}[/bold]  {_peer(peer)}", highlight=False)
    for name, ratio in report["ratios"].items():
        console.print(f"{name.replace('_over_', ' ÷ ')}: [bold]{ratio:.2f}[/bold]", highlight=False)


def _phase(console: Console, phase: dict[str, Any]) -> None:
    figure = f"{phase['created_per_s']:,.0f} creates/s"
    if phase["kind"] == "cycles":
        figure += f", {phase['completed_per_s']:,.0f} life cycles/s"
    console.print(f"\n[bold]{phase['name']}[/bold]  {figure}", highlight=False)
    console.print(_latencies(phase["latency_ms"]))
    cpu = phase["cpu_ms_per_operation"]
    what = "life cycle" if phase["kind"] == "cycles" else "create"
    shares = ", ".join(f"{name} {value:.3f}" for name, value in sorted(cpu.items()) if value is not None)
    console.print(f"CPU ms per {what}: {shares or 'not known'}", highlight=False)
    if phase["errors"]:
        errors = ", ".join(f"{name}: {count}" for name, count in sorted(phase["errors"].items()))
        console.print(f"[yellow]Errors: {errors}[/yellow]", highlight=False)
    if phase["unfinished"]:
        console.print(f"[yellow]Not completed in time: {phase['unfinished']:,}[/yellow]", highlight=False)
    _audit(console, phase["audit"])


def _audit(console: Console, found: dict[str, Any]) -> None:
    text = (
        f"Audit: {found['acknowledged']:,} acknowledged, {found['found']:,} found, SIDs {found['sids']}, "
        f"{found['assigned_twice']} assigned twice, {found['unknown']} unknown"
    )
    console.print(text, style="green" if found["ok"] else "red", highlight=False)
    for problem in found["problems"]:
        console.print(f"  {problem}", markup=False, highlight=False)


def _latencies(latencies: dict[str, dict[str, float]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("milliseconds")
    for column in COLUMNS:
        table.add_column("p99.9" if column == "p999" else column, justify="right")
    table.add_column("count", justify="right")
    for name, label in NAMES.items():
        if name in latencies:
            values = latencies[name]
            cells = (f"{values[column]:.2f}" for column in COLUMNS)
            table.add_row(label, *cells, f"{values['count']:,.0f}")
    return table


def _peer(peer: dict[str, Any]) -> str:
    if "created_per_s" in peer:
        return f"{peer['created_per_s']:,.0f} requests/s by a trivial handler"
    return (
        f"{peer['cycles_per_s']:,.0f} cycles/s ({peer['enqueue_per_s']:,.0f} enqueued/s, "
        f"{peer['run_per_s']:,.0f} run/s)"
    )
