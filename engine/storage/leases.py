"""The lease rows: who may write a workspace, until when by the database's clock, and under which epoch."""

from engine.ownership import Lease
from engine.storage.pool import Connection
from engine.storage.queries import query

_INSERT = query("insert_lease")
_ACQUIRE = query("acquire_lease")
_RENEW = query("renew_leases")
_RELEASE = query("release_lease")
_PASS = query("pass_lease")


async def insert_lease(connection: Connection, workspace_sid: str, owner: str, ttl_s: float) -> Lease:
    """Write the first lease of a new workspace, inside the transaction that makes it."""
    await connection.execute(_INSERT, workspace_sid, owner, ttl_s)
    return Lease(workspace_sid, owner, 1)


async def acquire_lease(connection: Connection, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
    """Take the lease when it is free, expired or the same owner's; None when it is held by another."""
    epoch = await connection.fetchval(_ACQUIRE, workspace_sid, owner, ttl_s)
    return None if epoch is None else Lease(workspace_sid, owner, epoch)


async def renew_leases(connection: Connection, leases: list[Lease], ttl_s: float) -> set[str]:
    """Prolong the leases that are still ours; returns their workspace SIDs."""
    renewed = await connection.fetch(
        _RENEW,
        [lease.workspace_sid for lease in leases],
        [lease.owner for lease in leases],
        [lease.epoch for lease in leases],
        ttl_s,
    )
    return {row["workspace_sid"] for row in renewed}


async def release_lease(connection: Connection, lease: Lease) -> None:
    """Let the lease expire now, if it is still ours."""
    await connection.execute(_RELEASE, lease.workspace_sid, lease.owner, lease.epoch)


async def pass_lease(connection: Connection, seen: Lease, owner: str, ttl_s: float) -> Lease | None:
    """Make `owner` the owner, if the lease is still what was seen; None when it is not."""
    epoch = await connection.fetchval(_PASS, seen.workspace_sid, seen.owner, seen.epoch, owner, ttl_s)
    return None if epoch is None else Lease(seen.workspace_sid, owner, epoch)
