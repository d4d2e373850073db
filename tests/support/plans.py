"""What PostgreSQL does for a read: its statements run again under EXPLAIN, and what their plans say."""

import asyncio
import itertools
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import asyncpg

from engine.storage.pool import Connection, Database
from engine.storage.queries import known_queries

_SLOT = re.compile(r"\\\{\w+\\\}")


@dataclass(slots=True, frozen=True)
class Plan:
    """How a statement was carried out; `names` are the queries of `sql/queries` that it is made of."""

    names: frozenset[str]
    root: dict[str, Any]

    @property
    def blocks(self) -> int:
        """How many blocks were looked at, in memory or not."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Yield every node."""
        return _nodes(self.root)

    def scans(self) -> list[dict[str, Any]]:
        """Return the nodes that read a table."""
        return [node for node in self.nodes() if "Relation Name" in node]

    def sorted_rows(self) -> float:
        """Return the number of rows that went into the largest sort."""
        sorts = [
            node["Plans"][0] for node in self.nodes() if node["Node Type"] in {"Sort", "Incremental Sort"}
        ]
        return max((node["Actual Rows"] * node["Actual Loops"] for node in sorts), default=0.0)


def rows_read(node: dict[str, Any]) -> float:
    """Return how many rows a scan looked at, those included that it then left out."""
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


async def plans_of(pools: Database, call: Callable[[], Awaitable[Any]]) -> list[Plan]:
    """Make the call, then run each of its statements again under EXPLAIN on a connection of the same pool.

    The pool must have one connection for reads.
    """
    asked: list[tuple[str, tuple[Any, ...]]] = []

    def note(query: asyncpg.connection.LoggedQuery) -> None:
        asked.append((query.query, tuple(query.args)))

    async with pools.reading() as connection:
        connection.add_query_logger(note)
    try:
        await call()
        await asyncio.sleep(0)  # the last query is noted in the next turn of the loop
    finally:
        async with pools.reading() as connection:
            connection.remove_query_logger(note)
    async with pools.reading() as connection:
        found = [await explained(connection, sql, *args) for sql, args in asked if names_in(sql)]
    assert found
    return found


async def explained(connection: Connection, sql: str, *args: Any) -> Plan:
    """Run a statement under EXPLAIN."""
    text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", *args)
    return Plan(names_in(sql), json.loads(text)[0]["Plan"])


def names_in(sql: str) -> frozenset[str]:
    """Return the names of the queries whose text a statement holds."""
    return frozenset(name for name, pattern in _patterns().items() if pattern.search(sql))


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile(_SLOT.sub(".*", re.escape(text)), re.DOTALL)
        for name, text in known_queries().items()
    }


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    yield from itertools.chain.from_iterable(map(_nodes, plan.get("Plans", ())))
