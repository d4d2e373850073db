"""Rows that tell, over restarts, which workers are to be moved when they are gone."""

from engine.storage.pool import Database
from engine.storage.queries import query

_ARRIVED = query("presence_arrived")
_DEPARTED = query("presence_departed")
_OF_NODE = query("presence_of_node")
_ADOPTED = query("presence_adopted")


class NodePresence:
    """The rows of one node. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
        node: the name of this node among the owners; it keeps it over restarts.
    """

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node = node

    async def arrived(self, workspace_sid: str, worker_sid: str) -> None:
        """Note a worker that is here and is to be moved when it is gone."""
        async with self._database.committing() as connection:
            await connection.execute(_ARRIVED, workspace_sid, worker_sid, self._node)

    async def departed(self, workspace_sid: str, worker_sid: str) -> None:
        """Forget it."""
        async with self._database.committing() as connection:
            await connection.execute(_DEPARTED, workspace_sid, worker_sid, self._node)

    async def adopt(self, workspace_sid: str) -> list[tuple[str, str]]:
        """Take over who was noted by other nodes in a workspace that is served here now."""
        async with self._database.committing() as connection:
            rows = await connection.fetch(_ADOPTED, workspace_sid, self._node)
        return [(workspace_sid, row[0]) for row in rows]

    async def all(self) -> list[tuple[str, str]]:
        """Return those who were noted and not forgotten, as workspace SID and worker SID."""
        async with self._database.reading() as connection:
            return [(row[0], row[1]) for row in await connection.fetch(_OF_NODE, self._node)]
