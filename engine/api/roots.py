"""Scheme and host of the URLs in an answer: clients follow page URLs verbatim, so they must be reachable."""

import re
from collections.abc import Mapping

from aiohttp import web

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def root_of(request: web.Request, public_url: str, trust_forwarded: bool) -> str:
    """Return `scheme://host` for the URLs of an answer, without a trailing slash.

    Args:
        request: the request being answered.
        public_url: the configured base; wins when it is not empty.
        trust_forwarded: whether X-Forwarded-Proto and X-Forwarded-Host are believed.
    """
    if public_url:
        return public_url.rstrip("/")
    named = named_root(request.scheme, request.headers, trust_forwarded)
    return named or f"{_scheme(request.scheme, request.headers, trust_forwarded)}://{_local_address(request)}"


def named_root(scheme: str, headers: Mapping[str, str], trust_forwarded: bool) -> str | None:
    """Return `scheme://host` as headers tell it, by names in lower case; None when none names a host."""
    host = headers.get("host", "")
    if trust_forwarded:
        forwarded = _first(headers, "x-forwarded-host")
        host = forwarded if _HOST.fullmatch(forwarded) else host
    if not _HOST.fullmatch(host):
        return None
    return f"{_scheme(scheme, headers, trust_forwarded)}://{host}"


def _scheme(scheme: str, headers: Mapping[str, str], trust_forwarded: bool) -> str:
    forwarded = _first(headers, "x-forwarded-proto").lower() if trust_forwarded else ""
    return forwarded if forwarded in {"http", "https"} else scheme


def _first(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").partition(",")[0].strip()


def _local_address(request: web.Request) -> str:
    name = request.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return "localhost"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
