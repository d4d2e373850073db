"""The leases this process holds: acquired one by one, renewed together, distrusted early.

A lease is judged by this process's monotonic clock, counted from the moment *before* the request that won
it, so the owner always believes in a shorter lease than the database does. It stops handling commands
`lease_margin_s` before that, renewed or not. What slips through (a paused process, a drifting clock) is
caught by the epoch that every commit checks; the early stop only keeps such accidents rare.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from engine import metrics
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.ownership import Lease
from engine.runtime.limits import RuntimeLimits
from engine.runtime.patience import within
from engine.runtime.ports import LeaseStore

log = get_logger()

Wake = Callable[[], None]

HEIR_TTL_S = 5.0
"""How long an heir has to take a lease that was given to it, before others may."""


@dataclass(slots=True)
class _Held:
    lease: Lease
    expires_s: float
    wake: Wake


class LeaseKeeper:
    """Holds the leases of all workspaces of this process and renews them in one query per interval.

    Args:
        store: the lease rows.
        owner: the name of this process among the owners.
        limits: time to live, renewal interval and margin.
        monotonic: seconds of a clock that never steps back.
    """

    def __init__(
        self,
        store: LeaseStore,
        owner: str,
        limits: RuntimeLimits,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.owner = owner
        self._store = store
        self._limits = limits
        self._monotonic = monotonic
        self._held: dict[str, _Held] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.create_task(self._renew_forever(), name="lease-renewal")

    async def stop(self) -> None:
        """Stop renewing; leases still held run out by themselves."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    def now_s(self) -> float:
        """Return the monotonic clock; take it before a request whose lease goes to `adopt`."""
        return self._monotonic()

    async def acquire(self, workspace_sid: str, wake: Wake, gone: Lease | None = None) -> Lease | None:
        """Take the workspace's lease; None when another owner holds it.

        `wake` is called after every renewal and when the lease is lost. `gone` is taken although it has not
        expired, unless it is not the latest any more. Raises StoreUnavailable.
        """
        asked_s, ttl_s = self._monotonic(), self._limits.lease_ttl_s
        if gone is None:
            lease = await self._store.acquire(workspace_sid, self.owner, ttl_s)
        else:
            lease = await self._store.transfer_lease(gone, self.owner, ttl_s)
        if lease is not None:
            self.adopt(lease, asked_s, wake)
        return lease

    def adopt(self, lease: Lease, asked_s: float, wake: Wake) -> None:
        """Keep a lease that came with another call, which was begun at `asked_s`."""
        self._held[lease.workspace_sid] = _Held(lease, asked_s + self._limits.lease_ttl_s, wake)

    def trusted(self, lease: Lease) -> bool:
        """Tell whether `lease` is still held with more than the margin left."""
        held = self._held.get(lease.workspace_sid)
        if held is None or held.lease != lease:
            return False
        return held.expires_s - self._monotonic() > self._limits.lease_margin_s

    def forget(self, workspace_sid: str) -> None:
        """Stop renewing this lease without giving it up."""
        self._held.pop(workspace_sid, None)

    async def give(self, lease: Lease, heir: str) -> Lease | None:
        """Make another node the owner; None when the lease was lost before. Raises StoreUnavailable."""
        self.forget(lease.workspace_sid)
        ttl_s = min(HEIR_TTL_S, self._limits.lease_ttl_s)
        return await within(self._limits.commit_timeout_s, self._store.transfer_lease(lease, heir, ttl_s))

    async def release(self, lease: Lease) -> None:
        """Give the lease up, so that another owner need not wait for its end. Best effort."""
        self.forget(lease.workspace_sid)
        try:
            await within(self._limits.commit_timeout_s, self._store.release(lease))
        except StoreUnavailable as error:
            log.warning("lease.release_failed", workspace_sid=lease.workspace_sid, error=str(error))

    async def renew(self) -> bool:
        """Renew all leases once; False when the database did not answer."""
        asked = [held.lease for held in self._held.values()]
        if not asked:
            return True
        asked_s = self._monotonic()
        try:
            renewed = await within(
                self._limits.commit_timeout_s, self._store.renew(asked, self._limits.lease_ttl_s)
            )
        except StoreUnavailable as error:
            log.warning("lease.renewal_failed", leases=len(asked), error=str(error))
            metrics.DATABASE_UP.set(0)
            self._wake_all()
            return False
        metrics.DATABASE_UP.set(1)
        for lease in asked:
            self._note_renewal(lease, lease.workspace_sid in renewed, asked_s)
        return True

    def _note_renewal(self, lease: Lease, renewed: bool, asked_s: float) -> None:
        held = self._held.get(lease.workspace_sid)
        if held is None or held.lease != lease:
            return
        if renewed:
            held.expires_s = asked_s + self._limits.lease_ttl_s
        else:
            self.forget(lease.workspace_sid)
        held.wake()

    def _wake_all(self) -> None:
        for held in list(self._held.values()):
            held.wake()

    async def _renew_forever(self) -> None:
        interval_s = self._limits.lease_renew_s
        while True:
            await asyncio.sleep(interval_s)
            try:
                answered = await self.renew()
            except Exception:
                log.exception("lease.renewal_failed", leases=len(self._held))
                answered = False
            interval_s = self._limits.lease_renew_s if answered else self._retry_s()

    def _retry_s(self) -> float:
        return min(self._limits.lease_renew_s, self._limits.reload_backoff_max_s)
