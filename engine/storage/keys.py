"""The API key rows. A secret arrives and leaves encrypted."""

from dataclasses import dataclass, field

from engine.clock import Clock, wall_clock_ms
from engine.storage.listing import Listing
from engine.storage.paging import Page, PageRequest, order_of, sid_key
from engine.storage.pool import Database
from engine.storage.queries import query
from engine.storage.reader import Reader
from engine.storage.rows import mapper_of

_ALL = query("all_api_keys")
_INSERT = query("insert_api_key")
_RENAME = query("rename_api_key")
_DELETE = query("delete_api_key")


@dataclass(slots=True, frozen=True)
class ApiKeyView:
    """An API key as it is shown, without its secret."""

    sid: str
    account_sid: str
    friendly_name: str
    date_created_ms: int
    date_updated_ms: int


@dataclass(slots=True, frozen=True)
class ApiKeyRow:
    """An API key as requests are checked against it."""

    key_sid: str
    account_sid: str
    secret_encrypted: bytes = field(repr=False)


_KEYS: Listing[ApiKeyView] = Listing(query("select_api_keys"), mapper_of(ApiKeyView), "SK")
_ORDER = order_of(sid_key("k.key_sid"))


class KeyReads(Reader):
    """Reads of API keys."""

    async def api_key(self, account_sid: str, sid: str) -> ApiKeyView | None:
        """Fetch a key of the account; None when there is none."""
        async with self._database.reading() as connection:
            return await _KEYS.one(connection, "k.key_sid = $2", (account_sid, sid))

    async def api_keys(self, account_sid: str, page: PageRequest) -> Page[ApiKeyView]:
        """List an account's keys, oldest first. Raises BadCursor."""
        async with self._database.reading() as connection:
            return await _KEYS.page(connection, (account_sid,), page, _ORDER)


class ApiKeys:
    """Writes API keys. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database, clock: Clock = wall_clock_ms) -> None:
        self._database = database
        self._clock = clock

    async def rows(self) -> list[ApiKeyRow]:
        """Return the keys of all accounts."""
        async with self._database.reading() as connection:
            records = await connection.fetch(_ALL)
        return [ApiKeyRow(*record) for record in records]

    async def insert(
        self, key_sid: str, account_sid: str, secret_encrypted: bytes, friendly_name: str, keys_max: int
    ) -> bool:
        """Add a key; False when the account has `keys_max` keys already or does not exist."""
        values = (key_sid, account_sid, secret_encrypted, friendly_name, self._clock(), keys_max)
        async with self._database.committing() as connection:
            return await connection.fetchval(_INSERT, *values) is not None

    async def rename(self, account_sid: str, key_sid: str, friendly_name: str) -> bool:
        """Give a key another name; tells whether the account has it."""
        async with self._database.committing() as connection:
            values = (account_sid, key_sid, friendly_name, self._clock())
            return await connection.fetchval(_RENAME, *values) is not None

    async def delete(self, account_sid: str, key_sid: str) -> bool:
        """Remove a key; tells whether the account had it."""
        async with self._database.committing() as connection:
            return await connection.fetchval(_DELETE, account_sid, key_sid) is not None
