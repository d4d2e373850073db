"""Faults of the daemon's process: killed under load, killed idle, frozen until its lease is another's."""

import asyncio
import signal
import time

from engine.chaos.route import Route
from engine.chaos.stage import Stage

IDLE_TIMEOUT_S = 20.0
KILL_AFTER_REQUESTS = 200
FROZEN_ON_S = 2.0
"""How long it stays frozen after the other daemon has taken over."""
UNNOTICED_S = 0.2
LATE_REQUESTS = 20
LATE_TIMEOUT_S = 20.0
MANY = 50
"""Acknowledged requests that show that somebody serves again."""


async def kill_loaded(stage: Stage) -> str:
    """SIGKILL under load, at a random moment; start again."""
    await stage.load.until_acknowledged(stage.random.randint(1, KILL_AFTER_REQUESTS))
    await stage.node.kill()
    began_s = time.monotonic()
    await stage.restart()
    return f"serves again {time.monotonic() - began_s:.1f} s after its start"


async def kill_idle(stage: Stage) -> str:
    """SIGKILL while nothing is asked of it; start again."""
    idle = await stage.load.until_idle(IDLE_TIMEOUT_S)
    await stage.node.kill()
    stage.load.resume()
    await stage.restart()
    return "nothing was open" if idle else f"still busy after {IDLE_TIMEOUT_S:g} s"


async def stop(stage: Stage) -> str:
    """SIGTERM under load; start again."""
    await stage.load.until_acknowledged(stage.random.randint(1, KILL_AFTER_REQUESTS))
    began_s = time.monotonic()
    await stage.node.stop()
    stopped_s = time.monotonic() - began_s
    await stage.restart()
    return f"stopped within {stopped_s:.1f} s"


async def failover(stage: Stage) -> str:
    """SIGKILL of the owner while a second daemon is there; it comes back, and the second one stops."""
    await _with_second(stage)
    await stage.load.until_acknowledged(stage.random.randint(1, KILL_AFTER_REQUESTS))
    await stage.node.kill()
    await stage.load.until_acknowledged(MANY)
    await stage.restart()
    await stage.load.until_acknowledged(MANY)
    await _without_second(stage)
    return "the second daemon took over and gave back"


async def _with_second(stage: Stage) -> None:
    await stage.standby.start()
    await stage.standby.until_listening()
    await stage.route.add(stage.standby.address)


async def _without_second(stage: Stage) -> None:
    await stage.standby.stop()
    await stage.route.remove(stage.standby.address)
    await stage.node.until_listening()


async def freeze(stage: Stage) -> str:
    """SIGSTOP of the owner past its lease while a second daemon takes over; SIGCONT; the second one stops."""
    await _with_second(stage)
    began_s = time.monotonic()
    stage.node.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(UNNOTICED_S)  # requests that were answered already
        await stage.load.until_acknowledged(1)
        taken_over_s = time.monotonic() - began_s
        await stage.load.until_acknowledged(MANY)
        late = asyncio.create_task(_send_late(stage))
        await asyncio.sleep(FROZEN_ON_S)
    finally:
        stage.node.signal(signal.SIGCONT)
    acknowledged = await late
    await stage.load.until_acknowledged(MANY)
    await _without_second(stage)
    return (
        f"the second daemon served after {taken_over_s:.1f} s and gave back; of {LATE_REQUESTS} requests "
        f"that waited for the frozen one it acknowledged {acknowledged}"
    )


async def _send_late(stage: Stage) -> int:
    """Send requests that the frozen daemon finds when it goes on; returns how many it acknowledged."""
    route = Route(LATE_TIMEOUT_S)
    await route.add(stage.node.address)
    try:
        return sum(await asyncio.gather(*(stage.load.send_late(route) for _ in range(LATE_REQUESTS))))
    finally:
        await route.close()
