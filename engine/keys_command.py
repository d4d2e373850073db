"""`pointsman keys` and `pointsman accounts`: manage API keys and accounts in the database.

They work whether a daemon runs or not. A running one learns of a change within
`credentials.refresh_interval_s`, and of a new key or account when it is first used. What is secret is shown
once, on standard output.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import click

from engine.credentials import CREDENTIALS_FILE, cipher_of, read_credentials
from engine.database_start import database_of
from engine.errors import PointsmanError, SettingsError
from engine.keyring import Keyring
from engine.settings import Settings
from engine.sids import time_ordered_sids
from engine.storage.accounts import Accounts
from engine.storage.keys import ApiKeys, ApiKeyView, KeyReads
from engine.storage.pool import Database
from engine.storage.reads import PageRequest

PAGE_SIZE = 1_000

T = TypeVar("T")


class UnknownName(PointsmanError):
    """There is no such account or key; the message is one line."""


@dataclass(slots=True, frozen=True)
class Books:
    """What the commands read and write."""

    settings: Settings
    accounts: Accounts
    keys: ApiKeys
    reads: KeyReads
    keyring: Keyring

    async def account_sid(self, given: str | None) -> str:
        """Return the account to work on: the given one, that of the settings, or the only one.

        Raises:
            UnknownName: there is no such account.
            SettingsError: there are several and none was named.
        """
        named = given or self.settings.credentials.account_sid or self._kept()
        known = [sid for sid, _ in await self.accounts.all()]
        if named:
            if named not in known:
                raise UnknownName(f"there is no account {named}")
            return named
        if not known:
            raise UnknownName("there is no account yet: start the daemon once, or pointsman accounts create")
        if len(known) > 1:
            raise SettingsError("there are several accounts: name one with --account-sid")
        return known[0]

    def _kept(self) -> str:
        return read_credentials(self.settings.database.data_dir / CREDENTIALS_FILE).get("account_sid", "")


@asynccontextmanager
async def open_books(settings: Settings) -> AsyncIterator[Books]:
    """Open the database as the daemon does, the embedded server running meanwhile."""
    async with database_of(settings) as database:
        yield books_of(settings, database)


def books_of(settings: Settings, database: Database) -> Books:
    """Return the books of a database that is open."""
    accounts, keys = Accounts(database), ApiKeys(database)
    keys_max = settings.credentials.api_keys_max
    keyring = Keyring(cipher_of(settings), accounts, keys, keys_max=keys_max)
    return Books(settings, accounts, keys, KeyReads(database), keyring)


def run(settings: Settings, work: Callable[[Books], Awaitable[T]]) -> T:
    """Do something with the books open."""

    async def whole() -> T:
        async with open_books(settings) as books:
            return await work(books)

    with asyncio.Runner() as runner:
        return runner.run(whole())


async def create_key(books: Books, account_sid: str | None, friendly_name: str) -> None:
    """Make a key and show its secret."""
    owner = await books.account_sid(account_sid)
    key = await books.keyring.create_key(time_ordered_sids()("SK"), owner, friendly_name)
    click.echo(f"Account SID: {owner}")
    click.echo(f"Key SID:     {key.sid}")
    click.echo(f"Secret:      {key.secret}")
    click.echo("The secret is shown this once.")


async def list_keys(books: Books, account_sid: str | None) -> None:
    """Show SID, date and name of an account's keys, one line each."""
    owner = await books.account_sid(account_sid)
    after: str | None = None
    while True:
        page = await books.reads.api_keys(owner, PageRequest(PAGE_SIZE, after=after))
        for view in page.items:
            click.echo(_line(view))
        after = page.next
        if after is None:
            return


async def revoke_key(books: Books, key_sid: str) -> None:
    """Revoke a key of any account."""
    owner = next((row.account_sid for row in await books.keys.rows() if row.key_sid == key_sid), None)
    if owner is None or not await books.keyring.revoke_key(owner, key_sid):
        raise UnknownName(f"there is no API key {key_sid}")
    click.echo(f"{key_sid} is revoked.")


async def create_account(books: Books, friendly_name: str) -> None:
    """Make an account and show its auth token."""
    account_sid, auth_token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
    encrypted = cipher_of(books.settings).encrypt(auth_token.encode())
    await books.accounts.insert(account_sid, encrypted, friendly_name)
    click.echo(f"Account SID: {account_sid}")
    click.echo(f"Auth token:  {auth_token}")
    click.echo("The token is shown this once.")


async def list_accounts(books: Books) -> None:
    """Show SID, status, date and name of all accounts, one line each."""
    for row in await books.accounts.rows():
        click.echo(f"{row.account_sid}  {row.status:<9}  {_date(row.date_created_ms)}  {row.friendly_name}")


async def set_account_status(books: Books, account_sid: str, status: str) -> None:
    """Suspend an account, or make it active again."""
    if not await books.accounts.set_status(account_sid, status):
        raise UnknownName(f"there is no account {account_sid}")
    click.echo(f"{account_sid} is {status}.")


def _line(view: ApiKeyView) -> str:
    return f"{view.sid}  {_date(view.date_created_ms)}  {view.friendly_name}"


def _date(moment_ms: int) -> str:
    return datetime.fromtimestamp(moment_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
