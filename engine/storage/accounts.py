"""The account rows: who may call, with which token. The token arrives and leaves encrypted."""

from dataclasses import dataclass, field

from engine.clock import Clock, wall_clock_ms
from engine.storage.pool import Database
from engine.storage.queries import query

_ALL = query("all_accounts")
_GET = query("get_account")
_PUT = query("put_account")
_INSERT = query("insert_account")
_SET_STATUS = query("set_account_status")


@dataclass(slots=True, frozen=True)
class AccountRow:
    """One account; `status` is active, suspended or closed."""

    account_sid: str
    auth_token_encrypted: bytes = field(repr=False)
    friendly_name: str
    status: str
    date_created_ms: int


class Accounts:
    """Reads and writes accounts. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Clock = wall_clock_ms) -> None:
        self._database = database
        self._clock = clock

    async def rows(self) -> list[AccountRow]:
        """Return every account, oldest first."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_ALL)
        return [AccountRow(*record) for record in records]

    async def all(self) -> list[tuple[str, bytes]]:
        """Return (account SID, encrypted auth token) of every account, oldest first."""
        return [(row.account_sid, row.auth_token_encrypted) for row in await self.rows()]

    async def get(self, account_sid: str) -> bytes | None:
        """Return the encrypted auth token of an active account; None when there is no such account."""
        async with self._database.reading() as connection:
            token: bytes | None = await connection.fetchval(_GET, account_sid)
        return token

    async def put(self, account_sid: str, auth_token_encrypted: bytes) -> None:
        """Add an account, or give it another token."""
        async with self._database.committing() as connection:
            await connection.execute(_PUT, account_sid, auth_token_encrypted, self._clock())

    async def insert(self, account_sid: str, auth_token_encrypted: bytes, friendly_name: str) -> None:
        """Add a new account."""
        async with self._database.committing() as connection:
            await connection.execute(_INSERT, account_sid, auth_token_encrypted, friendly_name, self._clock())

    async def set_status(self, account_sid: str, status: str) -> bool:
        """Set an account's status; tells whether there is such an account."""
        async with self._database.committing() as connection:
            return await connection.fetchval(_SET_STATUS, account_sid, status) is not None
