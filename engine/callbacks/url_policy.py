"""Which addresses may be called, judged on the address that is connected to.

A host name is judged after its resolution: the resolver hands the connector only addresses that passed, and
the connector uses exactly those, so no second look-up can slip another address in. A literal address never
meets the resolver and is judged before the request. Both go through `refusal`.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

_NAT64 = 0x64_FF9B << 96
_METADATA = frozenset({IPv6Address("fd00:ec2::254"), IPv4Address("100.100.100.200")})


class AddressRefused(OSError):
    """The address must not be called; the message names it and says why."""


def refusal(address: str, allow_private: bool) -> str | None:
    """Tell why an address may not be called; None when it may.

    Link-local (and so cloud metadata), multicast, unspecified and reserved addresses never may; private and
    loopback ones only with `allow_private`. An IPv4 address inside an IPv6 one is judged as IPv4.

    Raises:
        ValueError: `address` is not a literal address.
    """
    ip = _unwrapped(ip_address(address))
    kind = _kind(ip)
    if kind is None or (kind == "private" and allow_private):
        return None
    return f"{address} may not be called ({kind})"


def _kind(ip: IPv4Address | IPv6Address) -> str | None:
    return next((kind for kind, holds in _KINDS if holds(ip)), None)


def _is_private(ip: IPv4Address | IPv6Address) -> bool:
    return not ip.is_global or (isinstance(ip, IPv6Address) and ip.is_site_local)


_KINDS: tuple[tuple[str, Callable[[IPv4Address | IPv6Address], bool]], ...] = (
    ("cloud metadata", _METADATA.__contains__),
    ("unspecified", lambda ip: ip.is_unspecified or (ip.version == 4 and ip.packed[0] == 0)),
    ("multicast", lambda ip: ip.is_multicast),
    ("link-local", lambda ip: ip.is_link_local),
    ("private", lambda ip: ip.is_loopback),
    ("reserved", lambda ip: ip.is_reserved),
    ("private", _is_private),
)
"""The first that holds counts: the IPv6 loopback address also lies in a reserved block."""


def _unwrapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for (mapped, compatible, 6to4, Teredo, NAT64)."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip.ipv4_mapped:
        return ip.ipv4_mapped
    if ip.sixtofour:
        return ip.sixtofour
    if ip.teredo:
        return ip.teredo[1]
    number = int(ip)
    if number >> 32 == _NAT64 >> 32 or 1 < number < 1 << 32:
        return IPv4Address(number & 0xFFFF_FFFF)
    return ip


def is_literal(host: str) -> bool:
    """Tell whether a host is, or passes for, an address and not a name."""
    return ":" in host or host.replace(".", "").isdigit()


# A receiver is judged at each callback, which took 10 to 20 µs of 250.
@lru_cache(maxsize=4_096)
def check_literal(host: str, allow_private: bool) -> None:
    """Judge a host that is a literal address; a host name passes, the resolver judges it.

    Numeric forms that only the operating system reads as an address (`2130706433`, `127.1`) are refused:
    they would reach the socket without meeting the resolver.

    Raises:
        AddressRefused: the address may not be called.
    """
    if not is_literal(host):
        return
    try:
        reason = refusal(host, allow_private)
    except ValueError:
        reason = f"{host} is not a valid address"
    if reason:
        raise AddressRefused(reason)


class GuardedResolver(AbstractResolver):
    """Passes on what another resolver finds, without the addresses that may not be called."""

    def __init__(self, inner: AbstractResolver, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the permitted addresses of a host; raises AddressRefused when it has no other."""
        found = await self._inner.resolve(host, port, family)
        reasons = [refusal(result["host"], self._allow_private) for result in found]
        permitted = [result for result, reason in zip(found, reasons, strict=True) if reason is None]
        if found and not permitted:
            raise AddressRefused(f"{host}: {reasons[0]}")
        return permitted

    async def close(self) -> None:
        """Release the inner resolver."""
        await self._inner.close()


class PooledResolver(AbstractResolver):
    """The operating system's resolver on threads of its own: a dead name server stalls only callbacks."""

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="callback-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return all addresses of a host; raises OSError when it has none."""
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._executor, look_up)
        return [
            ResolveResult(
                hostname=host,
                host=_literal(address),
                port=port,
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Let the threads go without waiting for look-ups that hang."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _literal(address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    """Return the address as text; a scope, which only link-local addresses have, is kept."""
    host = str(address[0])
    scope = address[3] if len(address) == 4 else 0
    return f"{host}%{scope}" if scope and "%" not in host else host
