"""The answers kept by idempotency key: written with their batch, read before a request is carried out."""

from engine.errors import KeyTaken
from engine.routing.effects import KeptAnswer
from engine.storage.pool import Connection
from engine.storage.queries import query

_INSERT = query("insert_idempotency_keys")
_KEPT = query("kept_answers")


async def keep_answers(connection: Connection, kept: list[KeptAnswer]) -> None:
    """Write answers inside the open transaction. Raises KeyTaken when another node has used a key."""
    columns = zip(
        *(
            (
                answer.scope_sid,
                answer.path,
                answer.key,
                answer.part,
                answer.fingerprint,
                answer.answer,
                answer.date_created_ms,
            )
            for answer in kept
        ),
        strict=True,
    )
    status = await connection.execute(_INSERT, *columns)
    if int(status.rpartition(" ")[2]) < len(kept):
        raise KeyTaken("a request with this Idempotency-Key was carried out meanwhile")


async def read_kept_answers(
    connection: Connection, scope_sid: str, path: str, key: str, after_ms: int
) -> list[KeptAnswer]:
    """Read the parts of one answer that were kept after a moment, in their order."""
    rows = await connection.fetch(_KEPT, scope_sid, path, key, after_ms)
    return [KeptAnswer(*row) for row in rows]
