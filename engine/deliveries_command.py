"""`pointsman deliveries`: see what became of event callbacks, and have them made again, in the database.

A running daemon finds what is put back within `callbacks.event_poll_interval_s`.
"""

import asyncio
from collections.abc import AsyncIterator

import click

from engine.api.representations import iso_date
from engine.clock import wall_clock_ms
from engine.database_start import database_of
from engine.errors import PointsmanError
from engine.routing.deliveries import DeliveryStatus, DeliveryView
from engine.settings import Settings
from engine.storage.reads import PageRequest, Reads
from engine.storage.redelivery import Redelivery

PAGE_SIZE = 1_000


class UnknownDelivery(PointsmanError):
    """There is no such delivery; the message is one line."""


def show(settings: Settings, workspace_sid: str, status: str | None, limit: int) -> None:
    """Print the newest deliveries of a workspace, at most `limit`, a line each. Raises PointsmanError."""
    wanted = None if status is None else DeliveryStatus(status)
    asyncio.run(_show(settings, workspace_sid, wanted, limit))


def redeliver(settings: Settings, workspace_sid: str, sids: tuple[str, ...]) -> None:
    """Have deliveries made again: those named, or without names all that were given up.

    Raises PointsmanError: UnknownDelivery before anything is put back.
    """
    asyncio.run(_redeliver(settings, workspace_sid, sids))


async def _show(settings: Settings, workspace_sid: str, status: DeliveryStatus | None, limit: int) -> None:
    async with database_of(settings) as database:
        shown = 0
        async for view in _walk(Reads(database), workspace_sid, status):
            click.echo(_line(view))
            shown += 1
            if shown == limit:
                return


async def _redeliver(settings: Settings, workspace_sid: str, sids: tuple[str, ...]) -> None:
    async with database_of(settings) as database:
        reads, redelivery = Reads(database), Redelivery(database)
        if sids:
            views = [await _known(reads, workspace_sid, sid) for sid in sids]
        else:
            views = [view async for view in _walk(reads, workspace_sid, DeliveryStatus.DEAD)]
        for view in views:
            await redelivery.redeliver(view, wall_clock_ms())
    click.echo(f"{len(views)} deliveries are made again.")


async def _walk(
    reads: Reads, workspace_sid: str, status: DeliveryStatus | None
) -> AsyncIterator[DeliveryView]:
    after: str | None = None
    while True:
        page = await reads.deliveries(workspace_sid, PageRequest(PAGE_SIZE, after=after), status=status)
        for view in page.items:
            yield view
        after = page.next
        if after is None:
            return


async def _known(reads: Reads, workspace_sid: str, sid: str) -> DeliveryView:
    view = await reads.delivery(workspace_sid, sid)
    if view is None:
        raise UnknownDelivery(f"workspace {workspace_sid} has no delivery {sid}")
    return view


def _line(view: DeliveryView) -> str:
    parts = (
        iso_date(view.event_date_ms),
        view.sid,
        view.status.value.ljust(len(DeliveryStatus.DELIVERED.value)),
        f"{view.attempts}x",
        view.event_type,
        view.resource_sid,
        view.last_error or "",
    )
    return "  ".join(parts).rstrip()
