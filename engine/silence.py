"""Connections to a machine that is gone without a word: the kernel is told to give them up within seconds.

Nothing else would end them for many minutes: no packet says that a host has lost its power or its network.
"""

import asyncio
import socket

_OPTIONS = (
    # (option, value); an operating system that has one not does without it
    ("TCP_KEEPIDLE", 5),
    ("TCP_KEEPINTVL", 2),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 5_000),
)
"""When the other side acknowledges nothing: seconds, seconds, probes, milliseconds."""


def give_up_when_silent(transport: asyncio.BaseTransport) -> None:
    """End it 5 s after something was sent that nobody acknowledges, or after about 10 s of idle silence.

    A Unix socket needs no such care, and is left alone.
    """
    used = transport.get_extra_info("socket")
    if used is None or used.family == socket.AF_UNIX:
        return
    used.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        if (option := getattr(socket, name, None)) is not None:
            used.setsockopt(socket.IPPROTO_TCP, option, value)
