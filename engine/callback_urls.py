"""Callback URLs: which are acceptable, and what of them goes on the wire.

The text a client saves is kept as it is. What is sent and signed differs from it in three documented ways:
user info becomes Basic authentication, a `#…` connection override stays at home (contract §5.1), and what
HTTP cannot carry (an empty path, characters outside ASCII) is written the way the receiver will see it.
Signing exactly the text that is sent is what lets a receiver rebuild it from its request (clients §5).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, quote, unquote, urlsplit

URL_CHARACTERS_MAX = 4096

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]")
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_IPV6 = re.compile(r"[0-9A-Fa-f:.]+(%[0-9A-Za-z_.-]+)?")
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")


class InvalidCallbackUrl(ValueError):
    """The text is not a URL that can be called; the message is one line for the client."""


@dataclass(slots=True, frozen=True)
class CallbackUrl:
    """A callable URL, taken apart.

    `text` is what is sent and signed: scheme, host and port as configured, path and query verbatim.
    `host` is bare (no brackets), `target` is path and query, `origin` is "host:port" for limits, `public` is
    for logs: `text` without its query. `user` is None when no user info was given.
    """

    text: str
    scheme: str
    host: str
    port: int
    target: str
    netloc: str
    origin: str
    public: str
    user: str | None = None
    password: str = ""


def check_callback_url(text: str) -> str | None:
    """Tell why a client may not save `text` as a callback URL, in one line; None when it may.

    Empty text is acceptable: it means "no callback". Addresses are judged when connecting, not here.
    """
    if not text:
        return None
    try:
        parse_callback_url(text)
    except InvalidCallbackUrl as reason:
        return str(reason)
    return None


@lru_cache(maxsize=4096)
def parse_callback_url(text: str) -> CallbackUrl:
    """Take a callback URL apart.

    Raises:
        InvalidCallbackUrl: not http or https, without a host, or not a URL.
    """
    if len(text) > URL_CHARACTERS_MAX:
        raise InvalidCallbackUrl(f"the URL is longer than {URL_CHARACTERS_MAX} characters")
    if _UNPRINTABLE.search(text):
        raise InvalidCallbackUrl("the URL contains a space or a control character")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidCallbackUrl("the URL has a malformed host or port") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise InvalidCallbackUrl("the URL must start with http:// or https://")
    if "\\" in parts.netloc:
        raise InvalidCallbackUrl("the URL has a malformed host or port")
    if not parts.hostname:
        raise InvalidCallbackUrl("the URL has no host")
    if port == 0:
        raise InvalidCallbackUrl("the URL has a malformed host or port")
    return _assemble(parts, port)


def origin_of(text: str) -> str:
    """Return "host:port" of a callback URL; "" for all that cannot be called."""
    try:
        return parse_callback_url(text).origin
    except InvalidCallbackUrl:
        return ""


def public_form(text: str) -> str:
    """Return a callback URL for the log: without user info, query and fragment."""
    try:
        return parse_callback_url(text).public
    except InvalidCallbackUrl:
        return "invalid"


def _assemble(parts: SplitResult, port: int | None) -> CallbackUrl:
    user_info, _, host_and_port = parts.netloc.rpartition("@")
    host = _host(host_and_port)
    bracketed = f"[{host}]" if ":" in host else host
    netloc = bracketed if port is None else f"{bracketed}:{port}"
    path = _ascii(parts.path) or "/"
    query = f"?{_ascii(parts.query)}" if parts.query else ""
    user, _, password = user_info.partition(":")
    actual_port = port or _DEFAULT_PORTS[parts.scheme]
    return CallbackUrl(
        text=f"{parts.scheme}://{netloc}{path}{query}",
        scheme=parts.scheme,
        host=host,
        port=actual_port,
        target=f"{path}{query}",
        netloc=netloc,
        origin=f"{bracketed.lower()}:{actual_port}",
        public=f"{parts.scheme}://{netloc}{path}",
        user=unquote(user) if user_info else None,
        password=unquote(password),
    )


def _host(host_and_port: str) -> str:
    """Return the host in ASCII, its case kept."""
    if host_and_port.startswith("["):
        host, pattern = host_and_port[1:].partition("]")[0], _IPV6
    else:
        host, pattern = host_and_port.partition(":")[0], _HOST_NAME
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise InvalidCallbackUrl("the URL has a malformed host or port") from error
    if not pattern.fullmatch(host) or len(host) > 253:
        raise InvalidCallbackUrl("the URL has a malformed host or port")
    return host


def _ascii(text: str) -> str:
    """Percent-encode what is outside ASCII and leave everything else verbatim."""
    return _BEYOND_ASCII.sub(lambda run: quote(run.group()), text)
