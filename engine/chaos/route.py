"""How clients get to the daemons: to the one that says it is ready, as a load balancer would send them."""

import asyncio
from contextlib import suppress

from engine.bench.http_client import Answer, Client, NoAnswer
from engine.quickstart.daemon_process import Daemon

REQUEST_TIMEOUT_S = 4.0
CONNECTIONS_MAX = 400
PROBE_PAUSE_S = 0.2
PROBE_TIMEOUT_S = 1.0


class Route:
    """Sends requests to one daemon at a time; with several, to the first that is ready.

    Args:
        request_timeout_s: how long an answer may take, to the second.
    """

    def __init__(self, request_timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._request_timeout_s = request_timeout_s
        self._clients: dict[str, Client] = {}
        self._current: Client | None = None
        self._probe: asyncio.Task[None] | None = None

    @property
    def client(self) -> Client:
        """The client of the daemon that requests go to."""
        assert self._current is not None
        return self._current

    async def add(self, daemon: Daemon) -> None:
        """Send requests to this daemon, too, when none before it is ready."""
        client = Client(
            daemon.base_url,
            daemon.account_sid,
            daemon.auth_token,
            connections_max=CONNECTIONS_MAX,
            request_timeout_s=self._request_timeout_s,
        )
        await client.__aenter__()
        self._clients[daemon.base_url] = client
        self._current = self._current or client
        if len(self._clients) > 1 and self._probe is None:
            self._probe = asyncio.create_task(self._probe_forever())

    async def remove(self, daemon: Daemon) -> None:
        """Send nothing to this daemon any more."""
        client = self._clients.pop(daemon.base_url)
        if len(self._clients) < 2:
            await self._stop_probing()
        if self._current is client:
            self._current = next(iter(self._clients.values()), None)
        await client.__aexit__(None, None, None)

    async def close(self) -> None:
        """Close all connections."""
        await self._stop_probing()
        for client in self._clients.values():
            await client.__aexit__(None, None, None)

    async def post(self, path: str, body: bytes, *, content_type: str = "", key: str = "") -> Answer:
        """Send a form, or a body of another type. Raises NoAnswer."""
        head = self.client.head(path, content_type or "application/x-www-form-urlencoded", key)
        return await self.client.post(head, body)

    async def _stop_probing(self) -> None:
        probe, self._probe = self._probe, None
        if probe is not None:
            probe.cancel()
            await asyncio.wait([probe])

    async def _probe_forever(self) -> None:
        while True:
            clients = list(self._clients.values())
            ready = await asyncio.gather(*(_ready(client) for client in clients))
            up = [client for client, answers in zip(clients, ready, strict=True) if answers]
            if up and self._current not in up:
                self._current = up[0]
            await asyncio.sleep(PROBE_PAUSE_S)


async def _ready(client: Client) -> bool:
    with suppress(NoAnswer, TimeoutError):
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return (await client.get("/readyz")).status == 200
    return False
