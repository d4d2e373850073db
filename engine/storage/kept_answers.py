"""The answers kept by idempotency key: read before a request is carried out, written with its batch."""

from engine.routing.effects import KeptAnswer
from engine.storage.pool import Connection
from engine.storage.queries import query

_KEPT = query("kept_answers")


async def read_kept_answers(
    connection: Connection, scope_sid: str, path: str, key: str, after_ms: int
) -> list[KeptAnswer]:
    """Read the parts of one answer that were kept after a moment, in their order."""
    rows = await connection.fetch(_KEPT, scope_sid, path, key, after_ms)
    return [KeptAnswer(*row) for row in rows]
