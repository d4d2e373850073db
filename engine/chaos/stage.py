"""Everything that faults are done to: a PostgreSQL, a daemon, a second one on demand, and the load."""

import base64
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random

from engine.bench.local import DATABASE, own_postgres
from engine.bench.world import World
from engine.chaos.load import Load
from engine.chaos.node import Node
from engine.chaos.promises import Pauses, Promises
from engine.chaos.route import Route
from engine.chaos.world import make_world
from engine.quickstart.daemon_process import Daemon, free_port, new_credentials, throw_away_directory
from engine.storage.embedded import EmbeddedPostgres

POSTGRES = {"max_connections": "400"}
"""Room for the connections that are in nobody's use; what makes it durable stays as it is."""


@dataclass(slots=True)
class Stage:
    """What a fault finds. The load runs when a fault begins, and must run when it ends."""

    server: EmbeddedPostgres
    dsn: str
    node: Node
    standby: Node
    """A second daemon on the same database; it does not run unless a fault starts it."""
    route: Route
    load: Load
    promises: Promises
    pauses: Pauses
    world: World
    random: Random
    overload_s: float
    """How long an overload goes on."""

    @property
    def workspace_sid(self) -> str:
        """The workspace of the load."""
        return self.world.path.rpartition("/")[2]

    async def restart(self) -> None:
        """Start the daemon again after it was killed; returns when it serves."""
        await self.node.start()
        await self.node.until_listening()

    async def tidy(self) -> None:
        """Leave the first daemon serving, and only that; a fault that failed may have left two."""
        if self.standby.pid is not None:
            await self.standby.kill()
            await self.route.remove(self.standby.address)
        if self.node.pid is None:
            await self.node.start()
        await self.node.until_listening()

    def complaints(self) -> list[str]:
        """Return the end of what both daemons complained about."""
        return [*self.node.complaints(), *self.standby.complaints()]


@asynccontextmanager
async def stage(
    random: Random, rate_per_s: float, *, overload_s: float = 10.0, keep_launcher: bool = False
) -> AsyncIterator[Stage]:
    """Set everything up, with the load running; remove everything.

    Raises PointsmanError when something does not start.
    """
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(own_postgres(POSTGRES))
        directory = throw_away_directory("pointsman-chaos-")
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        account = new_credentials()
        dsn = server.dsn_of(DATABASE)
        settings = _settings()
        node, standby = (
            Node(
                name,
                directory / name,
                Daemon(f"http://127.0.0.1:{free_port()}", *account),
                dsn,
                settings | {"POINTSMAN_CLUSTER_LISTEN": f"127.0.0.1:{free_port()}"},
                keep_launcher=keep_launcher,
            )
            for name in ("a", "b")
        )
        stack.push_async_callback(node.close)
        stack.push_async_callback(standby.close)
        await node.start()
        await node.until_listening()
        promises, pauses, route = Promises(), Pauses(), Route()
        stack.push_async_callback(route.close)
        await route.add(node.address)
        load = Load(route, promises, pauses, Random(random.random()), rate_per_s)
        stack.push_async_callback(load.close)
        world = await make_world(route.client, await load.listen())
        load.start(world)
        yield Stage(server, dsn, node, standby, route, load, promises, pauses, world, random, overload_s)


def _settings() -> dict[str, str]:
    """Return both daemons' settings: a key that they share, an inbox that is soon full."""
    return {
        "POINTSMAN_CREDENTIALS_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX": "2000",
    }
