"""Connections to receivers: names looked up, addresses judged, TLS verified.

What a resolver found and the address policy let pass is connected to as it is, so no second look-up can slip
another address in. It is kept for a few seconds, in which a burst of new connections shares one look-up;
receivers with several addresses get them in turn, and are tried at two families at a time (RFC 8305).
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass
from functools import partial

from aiohappyeyeballs import AddrInfoType, remove_addr_infos, start_connection
from aiohttp.abc import AbstractResolver

from engine.callback_urls import CallbackUrl
from engine.callbacks.url_policy import AddressRefused, is_literal
from engine.http_connection import HttpConnection
from engine.http_pool import Make

_KEPT_S = 10.0
_NEXT_FAMILY_S = 0.25
_FAMILIES_AT_A_TIME = 1


class NameUnknown(OSError):
    """The host name has no address."""


@dataclass(slots=True)
class _Found:
    """The addresses of a host, the next one first, and until when they hold."""

    addresses: list[AddrInfoType]
    until_s: float


class Connector:
    """Makes connections. Make it inside the running loop.

    Args:
        resolver: finds the addresses that may be called.
        tls: trust settings; default: the system's.
    """

    def __init__(self, resolver: AbstractResolver, tls: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver
        self._tls = tls
        self._found: dict[tuple[str, int], _Found] = {}
        self._looking: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def close(self) -> None:
        """End the look-ups under way."""
        looking = tuple(self._looking.values())
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)

    async def connect(self, url: CallbackUrl, make: Make) -> HttpConnection:
        """Connect to a receiver; one that fails the handshake at an address is tried at its others.

        Raises:
            NameUnknown, AddressRefused: of its host name.
            ssl.SSLError: the handshake failed.
            OSError: nobody listens, or cannot be reached.
        """
        addresses = await self._addresses(url.host, url.port)
        while True:
            sock = await _connected(addresses)
            peer = sock.getpeername() if len(addresses) > 1 else None
            try:
                return await self._over(sock, url, make)
            except OSError:
                if peer is None:
                    raise
                remove_addr_infos(addresses, peer)

    async def _over(self, sock: socket.socket, url: CallbackUrl, make: Make) -> HttpConnection:
        loop = asyncio.get_running_loop()
        if url.scheme == "http":
            return (await loop.create_connection(make, sock=sock))[1]
        name = url.host.rstrip(".")
        return (await loop.create_connection(make, sock=sock, ssl=self._context(), server_hostname=name))[1]

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls

    async def _addresses(self, host: str, port: int) -> list[AddrInfoType]:
        """Return the addresses to try, in order; the list is the caller's."""
        if is_literal(host):
            return [_address(host, port)]
        key = host, port
        now_s = asyncio.get_running_loop().time()
        found = self._found.get(key)
        if found is None or found.until_s < now_s:
            await self._look_up(key)
            found = self._found[key]
        addresses = found.addresses
        addresses.append(addresses.pop(0))
        return [addresses[-1], *addresses[:-1]]

    async def _look_up(self, key: tuple[str, int]) -> None:
        """Have a host looked up, once however many wait for it, and for those who come later."""
        looking = self._looking.get(key)
        if looking is None:
            looking = asyncio.get_running_loop().create_task(self._resolve(key))
            self._looking[key] = looking
            looking.add_done_callback(partial(self._looked, key))
        await asyncio.shield(looking)

    async def _resolve(self, key: tuple[str, int]) -> None:
        host, port = key
        try:
            results = await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        except AddressRefused:
            raise
        except OSError as error:
            raise NameUnknown(str(error)) from error
        if not results:
            raise NameUnknown(f"{host} has no address")
        now_s = asyncio.get_running_loop().time()
        for old in [old for old, found in self._found.items() if found.until_s < now_s]:
            del self._found[old]
        addresses = [_address(result["host"], result["port"]) for result in results]
        self._found[key] = _Found(addresses, now_s + _KEPT_S)

    def _looked(self, key: tuple[str, int], looking: asyncio.Task[None]) -> None:
        del self._looking[key]
        if not looking.cancelled():
            looking.exception()  # it is everybody's who waited, and nobody may have waited until now


def _address(host: str, port: int) -> AddrInfoType:
    if ":" in host:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


async def _connected(addresses: list[AddrInfoType]) -> socket.socket:
    try:
        return await start_connection(
            addresses, happy_eyeballs_delay=_NEXT_FAMILY_S, interleave=_FAMILIES_AT_A_TIME
        )
    except RuntimeError as error:  # uvloop's, for some errors of the system
        raise OSError(str(error)) from error
