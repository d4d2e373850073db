"""The rows that nodes know each other by, and who has which lease."""

from dataclasses import dataclass, field

from engine.storage.pool import Connection, Database
from engine.storage.queries import query

_BEAT = query("beat_node")
_NODES = query("all_nodes")
_LEASES = query("all_leases")
_REMOVE = query("remove_node")
_REMOVE_SILENT = query("remove_silent_nodes")


@dataclass(slots=True, frozen=True)
class NodeRow:
    """A node as it last wrote its row.

    `host` tells machines apart, `address` is that of its internal listener (empty: it has none), `state` is
    starting, serving or draining, `load` is in commands per second. The ages are by the database's clock.
    """

    name: str
    host: str
    address: str
    state: str
    load: float
    workspaces: int
    version: str
    age_s: float = 0.0
    """Since it wrote its row."""
    up_s: float = 0.0
    """Since it started."""


@dataclass(slots=True, frozen=True)
class SeenLease:
    """A lease row. `live` tells whether it has not expired."""

    owner: str
    epoch: int
    live: bool


@dataclass(slots=True, frozen=True)
class Look:
    """What one look at the rows has found. `leases` is None when they are what `digest` said before."""

    nodes: dict[str, NodeRow]
    digest: str
    leases: dict[str, SeenLease] | None = field(repr=False)


class ClusterRows:
    """Reads and writes them. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, node: NodeRow, *, begins: bool = False) -> None:
        """Write the row of this node; with `begins` its life starts now."""
        async with self._database.committing() as connection:
            await connection.execute(
                _BEAT,
                node.name,
                node.host,
                node.address,
                node.state,
                begins,
                node.load,
                node.workspaces,
                node.version,
            )

    async def leave(self, name: str) -> None:
        """Remove the row of a node."""
        async with self._database.committing() as connection:
            await connection.execute(_REMOVE, name)

    async def remove_silent(self, age_s: float) -> None:
        """Remove the rows of nodes that have not written them for so long."""
        async with self._database.committing() as connection:
            await connection.execute(_REMOVE_SILENT, age_s)

    async def nodes(self) -> dict[str, NodeRow]:
        """Return all nodes by name."""
        async with self._database.reading() as connection:
            return await _nodes(connection)

    async def look(self, digest: str) -> Look:
        """Return all nodes, and the leases by workspace unless they still have this digest."""
        async with self._database.reading() as connection:
            nodes = await _nodes(connection)
            rows = await connection.fetch(_LEASES, digest)
        now = rows[0]["digest"]
        if now == digest:
            return Look(nodes, now, None)
        leases = {sid: SeenLease(owner, epoch, live) for _, sid, owner, epoch, live in rows if sid}
        return Look(nodes, now, leases)


async def _nodes(connection: Connection) -> dict[str, NodeRow]:
    return {row[0]: NodeRow(*row) for row in await connection.fetch(_NODES)}
