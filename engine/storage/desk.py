"""Rows of links to the worker desk, and of the sign-ins made of them."""

from dataclasses import dataclass

from engine.storage.pool import Database
from engine.storage.queries import query

_WORKERS = query("desk_workers")
_KEYS = query("desk_keys_of_account")
_INSERT_LINK = query("insert_desk_link")
_OPEN = query("open_desk_session")
_GET = query("get_desk_session")
_CLOSE = query("close_desk_session")


@dataclass(slots=True, frozen=True)
class DeskWorker:
    """A worker that a link can be for."""

    workspace_sid: str
    sid: str
    friendly_name: str


@dataclass(slots=True, frozen=True)
class DeskSession:
    """A sign-in that holds until `expires_ms`; its tokens are signed with the API key `key_sid`."""

    workspace_sid: str
    worker_sid: str
    key_sid: str
    expires_ms: int
    worker_name: str


class DeskRows:
    """Reads and writes them. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def workers(self, account_sid: str, workspace_sid: str | None, named: str) -> list[DeskWorker]:
        """Return up to two workers of an account that have `named` as their SID or name."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_WORKERS, account_sid, workspace_sid, named)
        return [DeskWorker(*record) for record in records]

    async def keys_named(self, account_sid: str, friendly_name: str) -> list[str]:
        """Return the SIDs of the account's API keys of this name, oldest first."""
        async with self._database.reading() as connection:
            return [record[0] for record in await connection.fetch(_KEYS, account_sid, friendly_name)]

    async def add_link(self, worker: DeskWorker, digest: bytes, key_sid: str, expires_ms: int) -> None:
        """Add a link for a worker."""
        async with self._database.committing() as connection:
            await connection.execute(
                _INSERT_LINK, worker.workspace_sid, digest, worker.sid, key_sid, expires_ms
            )

    async def open_session(
        self, workspace_sid: str, link: bytes, session: bytes, now_ms: int, expires_ms: int
    ) -> bool:
        """Make a sign-in of a link, which is gone then; False when the link does not hold.

        Args:
            workspace_sid: which the link names.
            link: digest of the link's secret.
            session: digest of the new sign-in's.
            now_ms: milliseconds since the epoch.
            expires_ms: when the sign-in ends.
        """
        values = (workspace_sid, link, session, now_ms, expires_ms)
        async with self._database.committing() as connection:
            return await connection.fetchval(_OPEN, *values) is not None

    async def session(self, workspace_sid: str, digest: bytes, now_ms: int) -> DeskSession | None:
        """Return a sign-in that holds and whose worker is there, or None."""
        async with self._database.reading() as connection:
            record = await connection.fetchrow(_GET, workspace_sid, digest, now_ms)
        return None if record is None else DeskSession(*record)

    async def close_session(self, workspace_sid: str, digest: bytes) -> None:
        """End a sign-in, if there is one."""
        async with self._database.committing() as connection:
            await connection.execute(_CLOSE, workspace_sid, digest)
