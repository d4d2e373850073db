"""Accounts and API keys in memory, as requests are checked against them and callbacks are signed.

The database holds all secrets encrypted; here they are readable. What this process changes is in force at
once; what others change (another node, the command line) when the rows are read again: every
`credentials.refresh_interval_s`, and when a request names an account or key that is not known yet.
"""

import asyncio
import secrets
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from engine.errors import PointsmanError, StoreUnavailable
from engine.logs import get_logger

log = get_logger()

ACTIVE = "active"
SECRET_CHARS = 32
LOOK_UP_PAUSE_S = 0.25
"""Least pause between two reads that unknown names ask for."""

_ALPHABET = string.ascii_letters + string.digits


class TooManyKeys(PointsmanError):
    """The account has as many API keys as it may have."""


class AccountRow(Protocol):
    """A row of the accounts table."""

    @property
    def account_sid(self) -> str:
        """Its SID."""

    @property
    def auth_token_encrypted(self) -> bytes:
        """Its auth token, encrypted."""

    @property
    def status(self) -> str:
        """Its status: active, suspended or closed."""


class KeyRow(Protocol):
    """A row of the table of API keys."""

    @property
    def key_sid(self) -> str:
        """Its SID."""

    @property
    def account_sid(self) -> str:
        """The account it belongs to."""

    @property
    def secret_encrypted(self) -> bytes:
        """Its secret, encrypted."""


class AccountRows(Protocol):
    """The accounts table."""

    async def rows(self) -> Sequence[AccountRow]:
        """Every account."""


class KeyRows(Protocol):
    """The table of API keys."""

    async def rows(self) -> Sequence[KeyRow]:
        """Every key."""

    async def insert(
        self, key_sid: str, account_sid: str, secret_encrypted: bytes, friendly_name: str, keys_max: int, /
    ) -> bool:
        """Add a key; False when there are too many."""

    async def rename(self, account_sid: str, key_sid: str, friendly_name: str, /) -> bool:
        """Give a key another name; tells whether the account has it."""

    async def delete(self, account_sid: str, key_sid: str, /) -> bool:
        """Remove a key; tells whether the account had it."""


@dataclass(slots=True, frozen=True)
class Account:
    """An account with its auth token."""

    sid: str
    auth_token: str = field(repr=False)
    active: bool


@dataclass(slots=True, frozen=True)
class ApiKey:
    """An API key with its secret."""

    sid: str
    account_sid: str
    secret: str = field(repr=False)


class Keyring:
    """All accounts and API keys.

    Args:
        cipher: decrypts what the rows hold.
        accounts: the accounts table.
        keys: the table of API keys.
        keys_max: most keys of one account.
    """

    def __init__(
        self, cipher: Fernet, accounts: AccountRows, keys: KeyRows, *, keys_max: int = 1_000
    ) -> None:
        self.generation = 0
        """Goes up whenever anything here changes: what was proved before has to be proved again."""
        self._cipher = cipher
        self._account_rows = accounts
        self._key_rows = keys
        self._keys_max = keys_max
        self._accounts: Mapping[str, Account] = {}
        self._keys: dict[str, ApiKey] = {}
        self._readable: dict[tuple[str, bytes], str | None] = {}
        self._lock = asyncio.Lock()
        self._look_up: asyncio.Task[None] | None = None
        self._looked_up_s = float("-inf")
        self._refreshing: asyncio.Task[None] | None = None

    def token_of(self, account_sid: str) -> str | None:
        """Return the account's auth token, whatever its status; None when there is no such account."""
        account = self._accounts.get(account_sid)
        return account.auth_token if account else None

    def account(self, account_sid: str) -> Account | None:
        """Return an account, or None."""
        return self._accounts.get(account_sid)

    def key(self, key_sid: str) -> ApiKey | None:
        """Return an API key that is in force, or None."""
        return self._keys.get(key_sid)

    async def refresh(self) -> None:
        """Read all rows again. Raises StoreUnavailable; then everything stays as it was.

        A row that another key encrypted is logged once and left out.
        """
        async with self._lock:
            account_rows = await self._account_rows.rows()
            key_rows = await self._key_rows.rows()
            accounts = {
                row.account_sid: Account(row.account_sid, token, row.status == ACTIVE)
                for row in account_rows
                if (token := self._read(row.account_sid, row.auth_token_encrypted, "account")) is not None
            }
            keys = {
                row.key_sid: ApiKey(row.key_sid, row.account_sid, secret)
                for row in key_rows
                if (secret := self._read(row.key_sid, row.secret_encrypted, "api_key")) is not None
            }
            present = {(row.account_sid, row.auth_token_encrypted) for row in account_rows}
            present |= {(row.key_sid, row.secret_encrypted) for row in key_rows}
            self._readable = {row: text for row, text in self._readable.items() if row in present}
            if (accounts, keys) != (self._accounts, self._keys):
                self._accounts, self._keys = accounts, keys
                self.generation += 1

    async def look_up(self) -> None:
        """Read the rows once more for a request that names something unknown.

        Requests share one read, and reads keep LOOK_UP_PAUSE_S between them, so guessing names cannot keep
        the database busy. When the database does not answer, nothing changes.
        """
        if self._look_up is None or self._look_up.done():
            self._look_up = asyncio.create_task(self._look_up_once(), name="keyring look-up")
        await asyncio.shield(self._look_up)

    async def create_key(self, key_sid: str, account_sid: str, friendly_name: str) -> ApiKey:
        """Make an API key that is in force when this returns.

        Raises:
            TooManyKeys: the account has no room for one more.
            StoreUnavailable: the database did not answer; the key may exist, but nobody knows its secret.
        """
        secret = new_secret()
        encrypted = self._cipher.encrypt(secret.encode())
        async with self._lock:
            if not await self._key_rows.insert(
                key_sid, account_sid, encrypted, friendly_name, self._keys_max
            ):
                raise TooManyKeys(f"Account {account_sid} has {self._keys_max} API keys, which is the most")
            key = ApiKey(key_sid, account_sid, secret)
            self._keys = self._keys | {key_sid: key}
            self._readable[key_sid, encrypted] = secret
            self.generation += 1
        return key

    async def rename_key(self, account_sid: str, key_sid: str, friendly_name: str) -> bool:
        """Give an API key another name; tells whether the account has it. Raises StoreUnavailable."""
        return await self._key_rows.rename(account_sid, key_sid, friendly_name)

    async def revoke_key(self, account_sid: str, key_sid: str) -> bool:
        """Take an API key out of force; tells whether the account had it. Raises StoreUnavailable."""
        async with self._lock:
            had = await self._key_rows.delete(account_sid, key_sid)
            if had and key_sid in self._keys:
                self._keys = {sid: key for sid, key in self._keys.items() if sid != key_sid}
                self.generation += 1
        return had

    def start(self, refresh_interval_s: float) -> None:
        """Begin to read the rows again every so often."""
        self._refreshing = asyncio.create_task(self._refresh_always(refresh_interval_s), name="keyring")

    async def stop(self) -> None:
        """End that, and a look-up under way."""
        for task in (self._refreshing, self._look_up):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._refreshing = self._look_up = None

    def _read(self, sid: str, encrypted: bytes, kind: str) -> str | None:
        if (sid, encrypted) in self._readable:
            return self._readable[sid, encrypted]
        try:
            text: str | None = self._cipher.decrypt(encrypted).decode()
        except InvalidToken:
            text = None
            _log_unreadable(kind, sid)
        self._readable[sid, encrypted] = text
        return text

    async def _look_up_once(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._looked_up_s + LOOK_UP_PAUSE_S - loop.time()))
        self._looked_up_s = loop.time()
        with suppress(StoreUnavailable):
            await self.refresh()

    async def _refresh_always(self, interval_s: float) -> None:
        failing = False
        while True:
            await asyncio.sleep(interval_s)
            try:
                await self.refresh()
                failing = False
            except StoreUnavailable as error:
                if not failing:
                    log.warning("keyring.refresh_failed", error=str(error))
                failing = True


def new_secret() -> str:
    """Return a secret that nobody can guess: letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))


def _log_unreadable(kind: str, sid: str) -> None:
    if kind == "account":
        log.warning("account.undecryptable", account_sid=sid)
    else:
        log.warning("api_key.undecryptable", key_sid=sid)
