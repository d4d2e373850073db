"""One signed form POST to a URL that a customer configured, within a deadline and a size.

All callbacks share one session: connections are kept and reused, cookies, redirects, proxies from the
environment and compressed answers are not wanted. How many go out at a time is the dispatcher's business.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.connector import Connection
from yarl import URL

from engine import __version__
from engine.callback_urls import CallbackUrl, InvalidCallbackUrl, parse_callback_url
from engine.callbacks import failures, signature
from engine.callbacks.failures import CallbackFailure, failure_of
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.url_policy import AddressRefused, GuardedResolver, PooledResolver, check_literal

USER_AGENT = f"pointsman/{__version__}"

TokenOf = Callable[[str], str | None]
MoreHeaders = Callable[[str, bytes], dict[str, str]]
Fields = Mapping[str, str] | Sequence[tuple[str, str]]
"""Decoded form fields in the order they are sent; pairs where a name repeats."""

_FORM = URL("http://form/")
"""Its query encodes forms: ten times faster than urllib, which would cost a fifth of a callback's time."""
_RESENDS_MAX = 3
_INTERIM_ANSWERS_MAX = 16
_UNNEEDED_BODY_S = 0.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(slots=True, frozen=True)
class Answer:
    """A 2xx answer."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True)
class _Wire:
    """What became of the connection of one request."""

    connected: bool = False
    reused: bool = False


class _Response(aiohttp.ClientResponse):
    """Gives up on a receiver that says "continue" without end, which would keep the event loop busy."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        protocol = connection.protocol
        assert protocol is not None
        read, answers = protocol.read, count(1)

        async def read_few() -> Any:
            if next(answers) > _INTERIM_ANSWERS_MAX:
                raise aiohttp.ClientPayloadError("interim answers without end")
            return await read()

        own = vars(protocol)
        own["read"] = read_few
        try:
            return await super().start(connection)
        finally:
            del own["read"]


class CallbackClient:
    """Sends callbacks. Make it inside the running loop; `close()` it.

    Args:
        limits: sizes, and whether private addresses may be called.
        token_of: returns the auth token that signs an account's callbacks, or None.
        resolver: finds the addresses of host names; default: the operating system's.
        tls: trust settings; default: the system's.
    """

    def __init__(
        self,
        limits: CallbackLimits,
        token_of: TokenOf,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._token_of = token_of
        self._allow_private = limits.allow_private
        self._response_bytes_max = limits.response_bytes_max
        inner = PooledResolver(limits.resolver_threads) if resolver is None else resolver
        self._resolver = GuardedResolver(inner, limits.allow_private)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=self._resolver,
                limit=0,
                keepalive_timeout=limits.keepalive_s,
                ssl=True if tls is None else tls,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            auto_decompress=False,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"},
            trace_configs=[_tracing()],
            response_class=_Response,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    async def post(
        self,
        url: str,
        fields: Fields,
        account_sid: str,
        timeout_s: float,
        *,
        body_matters: bool,
        more_headers: MoreHeaders | None = None,
    ) -> Answer:
        """POST a signed form and read the answer.

        Args:
            url: as configured; user info is sent as Basic authentication, a fragment is not sent.
            fields: decoded form fields, in the order they are sent.
            account_sid: whose auth token signs.
            timeout_s: for everything from the look-up of the host to the last byte of the answer.
            body_matters: whether to wait for the body of a 2xx, or to be content with its status.
            more_headers: returns headers to add, of the account's auth token and the body.

        Raises:
            CallbackFailure: no 2xx in time; or, when the body matters, no complete one within the size.
        """
        try:
            target = parse_callback_url(url)
            check_literal(target.host, self._allow_private)
        except InvalidCallbackUrl as reason:
            raise CallbackFailure(failures.RETRIEVAL, str(reason)) from reason
        except AddressRefused as reason:
            raise CallbackFailure(failures.CONNECTION, str(reason)) from reason
        token = self._token_of(account_sid)
        if token is None:
            raise CallbackFailure(failures.RETRIEVAL, "the account has no auth token to sign with")
        body = form_body(fields)
        headers = _headers(target, fields, token)
        if more_headers is not None:
            headers |= more_headers(token, body)
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        response = await self._send(target, body, headers, deadline_s)
        try:
            return await self._receive(response, deadline_s, body_matters)
        finally:
            response.close()

    async def _send(
        self, target: CallbackUrl, body: bytes, headers: dict[str, str], deadline_s: float
    ) -> aiohttp.ClientResponse:
        """Send, and send again when a kept connection turns out to have been closed by the receiver.

        Such a request reached nobody, or a receiver that must expect repeats anyway: taking it for a
        failure would cancel reservations whenever a receiver restarts.
        """
        resends = 0
        while True:
            wire = _Wire()
            try:
                async with asyncio.timeout_at(deadline_s):
                    return await self._session.post(
                        URL(target.text, encoded=True),
                        data=body,
                        headers=headers,
                        allow_redirects=False,
                        trace_request_ctx=wire,
                    )
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionResetError) as error:
                if not wire.reused or resends == _RESENDS_MAX:
                    raise failure_of(error) from error
                resends += 1
            except TimeoutError as error:
                raise _too_late(wire) from error
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise failure_of(error) from error

    async def _receive(
        self, response: aiohttp.ClientResponse, deadline_s: float, body_matters: bool
    ) -> Answer:
        """Read the body, which also frees the connection for reuse; one that is not needed gets a moment."""
        wanted = body_matters and 200 <= response.status < 300
        if not wanted:
            deadline_s = min(deadline_s, asyncio.get_running_loop().time() + _UNNEEDED_BODY_S)
        body, flaw = b"", None
        try:
            async with asyncio.timeout_at(deadline_s):
                body = await self._read(response)
        except TimeoutError:
            flaw = CallbackFailure(failures.RETRIEVAL, "the answer was not complete in time", late=True)
        except CallbackFailure as failure:
            flaw = failure
        except (aiohttp.ClientError, OSError) as error:
            flaw = failure_of(error)
        _require_success(response)
        if wanted and flaw is not None:
            flaw.status = response.status
            raise flaw
        return Answer(response.status, response.headers.get("Content-Type", ""), body)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        received = bytearray()
        async for chunk in response.content.iter_chunked(self._response_bytes_max):
            received += chunk
            if len(received) > self._response_bytes_max:
                reason = f"the answer is larger than {self._response_bytes_max} bytes"
                raise CallbackFailure(failures.RETRIEVAL, reason)
        return bytes(received)


def form_body(fields: Fields) -> bytes:
    """Encode form fields as `application/x-www-form-urlencoded`, in their order."""
    return _FORM.with_query(fields).raw_query_string.encode("ascii")


def _headers(target: CallbackUrl, fields: Fields, token: str) -> dict[str, str]:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    headers = {
        "Host": target.netloc,
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        signature.HEADER: signature.sign(token, target.text, pairs),
    }
    if target.user is not None:
        credentials = f"{target.user}:{target.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode('ascii')}"
    return headers


def _require_success(response: aiohttp.ClientResponse) -> None:
    status = response.status
    if 200 <= status < 300:
        return
    if status in _REDIRECTS:
        raise CallbackFailure(failures.REDIRECT, f"status {status}: redirects are not followed", status)
    raise CallbackFailure(failures.RETRIEVAL, f"status {status}", status)


def _too_late(wire: _Wire) -> CallbackFailure:
    if wire.connected:
        return CallbackFailure(failures.RETRIEVAL, "no answer in time", late=True)
    return CallbackFailure(failures.CONNECTION, "no connection in time", late=True)


def _tracing() -> aiohttp.TraceConfig:
    """Note on each request's `_Wire` how it came by its connection."""

    async def created(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.connected = True

    async def reused(_session: aiohttp.ClientSession, context: SimpleNamespace, _: Any) -> None:
        context.trace_request_ctx.connected = True
        context.trace_request_ctx.reused = True

    tracing = aiohttp.TraceConfig()
    tracing.on_connection_create_end.append(created)
    tracing.on_connection_reuseconn.append(reused)
    return tracing
