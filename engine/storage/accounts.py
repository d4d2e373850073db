"""The account rows: who may call, with which token. The token arrives and leaves encrypted."""

from engine.clock import Clock, wall_clock_ms
from engine.storage.pool import Database
from engine.storage.queries import query

_ALL = query("all_accounts")
_GET = query("get_account")
_PUT = query("put_account")


class Accounts:
    """Reads and writes accounts. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Clock = wall_clock_ms) -> None:
        self._database = database
        self._clock = clock

    async def all(self) -> list[tuple[str, bytes]]:
        """Return (account SID, encrypted auth token) of the active accounts, oldest first."""
        async with self._database.reading() as connection:
            rows = await connection.fetch(_ALL)
        return [(row["account_sid"], row["auth_token_encrypted"]) for row in rows]

    async def get(self, account_sid: str) -> bytes | None:
        """Return the encrypted auth token of an active account; None when there is no such account."""
        async with self._database.reading() as connection:
            token: bytes | None = await connection.fetchval(_GET, account_sid)
        return token

    async def put(self, account_sid: str, auth_token_encrypted: bytes) -> None:
        """Add an account, or give it another token."""
        async with self._database.committing() as connection:
            await connection.execute(_PUT, account_sid, auth_token_encrypted, self._clock())
