"""One connection from a DSN that may name several hosts: the members of a replicated PostgreSQL.

asyncpg asks such hosts one after the other within one limit of time: a member that is cut off and says
nothing would keep us from the one that leads for as long as it stands before it. Here all are asked at once,
each with the whole time, and the first that will do is taken.
"""

import asyncio
from operator import attrgetter
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import asyncpg

from engine.silence import give_up_when_silent

_WRITABLE = "read-write"

_transport_of = attrgetter("_transport")
"""asyncpg has no other way to its socket."""

_Attempt = asyncio.Future[asyncpg.Connection]


def addresses(dsn: str) -> list[str]:
    """Return a DSN for each host that `dsn` names; itself when that is one.

    Of several hosts only one that takes writes will do, unless the DSN says otherwise.
    """
    parts = urlsplit(dsn)
    login, at, named = parts.netloc.rpartition("@")
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if len(hosts := named.split(",")) > 1:
        places = [(f"{login}{at}{host}", options) for host in hosts]
    elif not named and len(hosts := options.get("host", "").split(",")) > 1:
        ports = options.get("port", "5432").split(",") * len(hosts)
        places = [
            (parts.netloc, {**options, "host": host, "port": port})
            for host, port in zip(hosts, ports, strict=False)
        ]
    else:
        return [dsn]
    return [
        parts._replace(
            netloc=netloc, query=urlencode({"target_session_attrs": _WRITABLE, **own}, quote_via=quote)
        ).geturl()
        for netloc, own in places
    ]


async def connect(dsn: str | None = None, **options: Any) -> asyncpg.Connection:
    """Connect to the first host of the DSN that will do; takes what `asyncpg.connect` takes.

    `timeout` holds for each host. Raises what `asyncpg.connect` raises; of several failures the first, in the
    order of the hosts, that tells more than that this host does not lead.
    """
    attempts: list[_Attempt] = [
        asyncio.ensure_future(asyncpg.connect(address, **options)) for address in addresses(dsn or "")
    ]
    waiting = set(attempts)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                if attempt.exception() is None:
                    attempts.remove(attempt)
                    return _watched(attempt.result())
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_end)
    raise _most_telling([error for attempt in attempts if (error := attempt.exception())])


def _watched(connection: asyncpg.Connection) -> asyncpg.Connection:
    give_up_when_silent(_transport_of(connection))
    return connection


def _most_telling(errors: list[BaseException]) -> BaseException:
    telling = (error for error in errors if not isinstance(error, asyncpg.TargetServerAttributeNotMatched))
    return next(telling, errors[0])


def _end(attempt: _Attempt) -> None:
    """Close the connection of an attempt that another was faster than."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
