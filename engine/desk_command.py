"""`pointsman desk-link`: make a link that signs a worker in at the desk, once and for a short time.

It works whether a daemon runs or not. The first link of an account makes an API key, KEY_NAME, that signs the
desk's tokens; to revoke it signs everybody out, and the next link makes another.
"""

import click

from engine.clock import wall_clock_ms
from engine.database_start import database_of
from engine.desk.proof import Proof
from engine.errors import PointsmanError
from engine.keys_command import Books, books_of
from engine.lint_command import listening_at
from engine.settings import Settings
from engine.sids import is_sid, time_ordered_sids
from engine.storage.desk import DeskRows, DeskWorker

KEY_NAME = "Worker desk"


class NoSuchWorker(PointsmanError):
    """Nobody, or more than one, has this SID or name; the message is one line."""


async def make_link(
    settings: Settings, named: str, workspace_sid: str | None, account_sid: str | None
) -> str:
    """Make a link for the worker of an account with this SID or name; returns its address.

    Raises PointsmanError: no such worker or several; no account, or several and none named.
    """
    async with database_of(settings) as database:
        books, rows = books_of(settings, database), DeskRows(database)
        owner = await books.account_sid(account_sid)
        worker = _only(await rows.workers(owner, workspace_sid, named), named, workspace_sid)
        link = Proof.new(worker.workspace_sid)
        key_sid = await _signing_key(books, rows, owner)
        expires_ms = wall_clock_ms() + int(settings.desk.link_s * 1000)
        await rows.add_link(worker, link.digest, key_sid, expires_ms)
    base = settings.server.public_url or listening_at(settings)
    time = _spelled(settings.desk.link_s)
    click.echo(f"It signs {worker.friendly_name} in, once, within {time}.", err=True)
    return f"{base}/desk#link={link.text}"


def _only(found: list[DeskWorker], named: str, workspace_sid: str | None) -> DeskWorker:
    where = f"workspace {workspace_sid}" if workspace_sid else "this account"
    if not found:
        kind = "worker" if is_sid(named, "WK") else "worker called"
        raise NoSuchWorker(f"there is no {kind} {named} in {where}")
    if len(found) > 1:
        raise NoSuchWorker(f"{where} has several workers called {named}: give the SID, or the --workspace")
    return found[0]


async def _signing_key(books: Books, rows: DeskRows, account_sid: str) -> str:
    """Return the account's oldest key of the desk, or a new one."""
    for sid in await rows.keys_named(account_sid, KEY_NAME):
        return sid
    return (await books.keyring.create_key(time_ordered_sids()("SK"), account_sid, KEY_NAME)).sid


def _spelled(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 60 else f"{seconds:g} seconds"
