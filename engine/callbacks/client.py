"""One signed form POST to a URL that a customer configured, within a deadline and a size.

All callbacks share a pool of connections, which are kept and reused; cookies, redirects, proxies from the
environment and compressed answers are not wanted. How many go out at a time is the dispatcher's business.
What does not change from one callback to the next is worked out once per URL.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from aiohttp.abc import AbstractResolver
from yarl import URL

from engine import __version__
from engine.callback_urls import CallbackUrl, InvalidCallbackUrl, parse_callback_url
from engine.callbacks import failures, signature
from engine.callbacks.connecting import Connector
from engine.callbacks.failures import CallbackFailure, failure_of
from engine.callbacks.limits import CallbackLimits
from engine.callbacks.url_policy import AddressRefused, GuardedResolver, PooledResolver, check_literal
from engine.http_answer import HttpAnswer, HttpFailure
from engine.http_connection import HttpConnection, header_lines, never, request_bytes, request_head
from engine.http_pool import HttpPool, Make

USER_AGENT = f"pointsman/{__version__}"

TokenOf = Callable[[str], str | None]
MoreHeaders = Callable[[str, bytes], dict[str, str]]
Fields = Mapping[str, str] | Sequence[tuple[str, str]]
"""Decoded form fields in the order they are sent; pairs where a name repeats."""

_FORM = URL("http://form/")
"""Its query encodes forms: ten times faster than urllib, which would cost a fifth of a callback's time."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RECEIVERS_MAX = 4_096


@dataclass(slots=True, frozen=True)
class Answer:
    """A 2xx answer."""

    status: int
    content_type: str
    body: bytes


@dataclass(slots=True, frozen=True)
class _Receiver:
    """Whom a URL calls, and the head of the requests to it (implements `engine.http_pool.Server`)."""

    url: CallbackUrl
    key: str
    head: bytes
    connector: Connector

    async def connect(self, make: Make) -> HttpConnection:
        """Connect to one of its addresses that may be called."""
        return await self.connector.connect(self.url, make)


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
        inner = PooledResolver(limits.resolver_threads) if resolver is None else resolver
        self._resolver = GuardedResolver(inner, limits.allow_private)
        self._connector = Connector(self._resolver, tls)
        self._pool = HttpPool(limits.response_bytes_max, limits.keepalive_s)
        self._receiver = lru_cache(_RECEIVERS_MAX)(self._find_receiver)
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        await self._connector.close()
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

        A kept connection that the receiver closed is no failure: the request is sent again. It reached
        nobody, or a receiver that must expect repeats anyway; taking it for a failure would cancel
        reservations whenever a receiver restarts.

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
        deadline_s = self._loop.time() + timeout_s
        receiver = self._receiver(url)
        token = self._token_of(account_sid)
        if token is None:
            raise CallbackFailure(failures.RETRIEVAL, "the account has no auth token to sign with")
        request = _request(receiver, fields, token, more_headers)
        try:
            answer = await self._pool.send(
                receiver, request, deadline_s, needs_body=_is_success if body_matters else never, repeat=True
            )
        except HttpFailure as failure:
            raise failure_of(failure) from failure
        return _success(answer)

    def _find_receiver(self, url: str) -> _Receiver:
        try:
            target = parse_callback_url(url)
            check_literal(target.host, self._allow_private)
        except InvalidCallbackUrl as reason:
            raise CallbackFailure(failures.RETRIEVAL, str(reason)) from reason
        except AddressRefused as reason:
            raise CallbackFailure(failures.CONNECTION, str(reason)) from reason
        return _Receiver(target, f"{target.scheme}://{target.origin}", _head(target), self._connector)


def form_body(fields: Fields) -> bytes:
    """Encode form fields as `application/x-www-form-urlencoded`, in their order."""
    return _FORM.with_query(fields).raw_query_string.encode("ascii")


def _head(url: CallbackUrl) -> bytes:
    headers = {
        "Host": url.netloc,
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
    }
    if url.user is not None:
        credentials = f"{url.user}:{url.password}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode('ascii')}"
    return request_head("POST", url.target, headers.items())


def _request(receiver: _Receiver, fields: Fields, token: str, more_headers: MoreHeaders | None) -> bytes:
    pairs = fields.items() if isinstance(fields, Mapping) else fields
    body = form_body(fields)
    headers = {signature.HEADER: signature.sign(token, receiver.url.text, pairs)}
    if more_headers is not None:
        headers |= more_headers(token, body)
    return request_bytes(receiver.head + header_lines(headers.items()), body)


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _success(answer: HttpAnswer) -> Answer:
    status = answer.status
    if _is_success(status):
        content_type = answer.header(b"content-type") or b""
        return Answer(status, content_type.decode("utf-8", "replace"), answer.body)
    if status in _REDIRECTS:
        raise CallbackFailure(failures.REDIRECT, f"status {status}: redirects are not followed", status)
    raise CallbackFailure(failures.RETRIEVAL, f"status {status}", status)
