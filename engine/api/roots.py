"""Scheme and host of the URLs in an answer: clients follow page URLs verbatim, so they must be reachable."""

import re

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
    scheme, host = request.scheme, request.headers.get("Host", "")
    if trust_forwarded:
        forwarded_scheme = _first(request, "X-Forwarded-Proto").lower()
        scheme = forwarded_scheme if forwarded_scheme in {"http", "https"} else scheme
        forwarded_host = _first(request, "X-Forwarded-Host")
        host = forwarded_host if _HOST.fullmatch(forwarded_host) else host
    return f"{scheme}://{host if _HOST.fullmatch(host) else _local_address(request)}"


def _first(request: web.Request, header: str) -> str:
    return request.headers.get(header, "").partition(",")[0].strip()


def _local_address(request: web.Request) -> str:
    name = request.get_extra_info("sockname")
    if not isinstance(name, tuple):
        return "localhost"
    host = f"[{name[0]}]" if ":" in name[0] else name[0]
    return f"{host}:{name[1]}"
