"""Whether anybody listens at an address."""

import asyncio
import contextlib

PROBE_TIMEOUT_S = 0.3


async def refuses(address: str) -> bool:
    """Tell whether connections to an internal listener are refused: its process is gone.

    A paused or unreachable one does not refuse; neither does one whose name cannot be resolved.
    """
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            if address.startswith("/"):
                _, writer = await asyncio.open_unix_connection(address)
            else:
                host, _, port = address.rpartition(":")
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except (OSError, TimeoutError, ValueError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return False
