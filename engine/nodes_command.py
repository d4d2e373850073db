"""`pointsman nodes`: which nodes live on a database, as they last wrote their rows."""

import asyncio
from collections.abc import Sequence
from typing import Any

import click
import orjson

from engine.cluster.view import DEAD_S
from engine.database_start import database_of
from engine.settings import Settings
from engine.storage.cluster import ClusterRows, NodeRow

_HEADINGS = ("node", "state", "workspaces", "commands/s", "seen", "up", "version", "address")
_NUMBERS = {"workspaces", "commands/s", "seen", "up"}
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"))


def show(settings: Settings, *, as_json: bool) -> None:
    """Print a line per node, or with `as_json` a JSON array. Raises PointsmanError."""
    nodes = asyncio.run(_nodes(settings))
    if as_json:
        click.echo(orjson.dumps([_document(node) for node in nodes], option=orjson.OPT_INDENT_2))
    elif nodes:
        click.echo("\n".join(_table([_HEADINGS, *(_cells(node) for node in nodes)])))
    else:
        click.echo("No node lives on this database.")


async def _nodes(settings: Settings) -> list[NodeRow]:
    async with database_of(settings) as database:
        return list((await ClusterRows(database).nodes()).values())


def _state(node: NodeRow) -> str:
    return node.state if node.age_s <= DEAD_S else "silent"


def _document(node: NodeRow) -> dict[str, Any]:
    return {
        "node": node.name,
        "host": node.host.partition(" ")[0],
        "address": node.address or None,
        "state": _state(node),
        "workspaces": node.workspaces,
        "commands_per_s": node.load,
        "seen_s_ago": round(node.age_s, 3),
        "up_s": round(node.up_s, 3),
        "version": node.version,
    }


def _cells(node: NodeRow) -> tuple[str, ...]:
    return (
        node.name,
        _state(node),
        str(node.workspaces),
        f"{node.load:.1f}",
        f"{_duration(node.age_s)} ago",
        _duration(node.up_s),
        node.version,
        node.address or "-",
    )


def _duration(seconds: float) -> str:
    """Return a time in its largest unit."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0.0, seconds):.0f}s"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(_aligned(*each) for each in zip(row, widths, _HEADINGS, strict=True)).rstrip()
        for row in rows
    ]


def _aligned(cell: str, width: int, heading: str) -> str:
    return cell.rjust(width) if heading in _NUMBERS else cell.ljust(width)
