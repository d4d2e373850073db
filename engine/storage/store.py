"""The store: what the runtime asks of Postgres, by the Protocols `Store` and `LeaseStore` of its ports."""

from engine.clock import Clock, wall_clock_ms
from engine.ownership import Lease
from engine.routing.effects import Changes, KeptAnswer
from engine.routing.entities import Reservation, Task, Transfer
from engine.routing.rows import WorkspaceRows
from engine.storage import rows
from engine.storage.commit import commit_batch, write_new
from engine.storage.kept_answers import read_kept_answers
from engine.storage.leases import acquire_lease, insert_lease, pass_lease, release_lease, renew_leases
from engine.storage.load import load_workspace
from engine.storage.pool import Database
from engine.storage.queries import query

_FINISHED_TASK = query("finished_task")
_ANY_RESERVATION = query("any_reservation")
_ANY_TRANSFER = query("any_transfer")
_WORKSPACE_SIDS = query("workspace_sids")


class PostgresStore:
    """Writes and loads workspaces. Every method raises StoreUnavailable when the database does not answer.

    Args:
        database: the pools.
        clock: dates the deletions, for the retention; nothing else here reads a clock of ours.
    """

    def __init__(self, database: Database, clock: Clock = wall_clock_ms) -> None:
        self._database = database
        self._clock = clock

    async def create_workspace(self, owner: str, lease_ttl_s: float, changes: Changes) -> Lease:
        """Write a new workspace, everything in it and its lease (epoch 1) in one transaction.

        `changes.workspace` must be there. The lease expires `lease_ttl_s` seconds from now.
        """
        assert changes.workspace is not None
        sid = changes.workspace.sid
        async with self._database.committing() as connection, connection.transaction():
            await write_new(connection, sid, changes, self._clock())
            return await insert_lease(connection, sid, owner, lease_ttl_s)

    async def commit(self, lease: Lease, changes: Changes) -> None:
        """Write a batch in one transaction, under the lease's epoch.

        Raises Fenced (nothing was written) or StoreUnavailable (unknown whether it was).
        """
        async with self._database.committing() as connection:
            await commit_batch(connection, lease, changes, self._clock())

    async def load(self, workspace_sid: str) -> WorkspaceRows | None:
        """Read a workspace's live state in one snapshot; None when there is none, or it was deleted."""
        async with self._database.reading() as connection:
            return await load_workspace(connection, workspace_sid)

    async def finished_task(self, workspace_sid: str, sid: str, finished_after_ms: int) -> Task | None:
        """Read a completed or canceled task that finished after that moment and was not deleted."""
        async with self._database.reading() as connection:
            found = await connection.fetch(_FINISHED_TASK, workspace_sid, sid, finished_after_ms)
        return next(iter(rows.TASK.entities(found)), None)

    async def reservation(self, workspace_sid: str, sid: str) -> Reservation | None:
        """Read a reservation in any state, unless its task was deleted."""
        async with self._database.reading() as connection:
            found = await connection.fetch(_ANY_RESERVATION, workspace_sid, sid)
        return next(iter(rows.RESERVATION.entities(found)), None)

    async def transfer(self, workspace_sid: str, sid: str) -> Transfer | None:
        """Read a transfer in any state, unless its task was deleted."""
        async with self._database.reading() as connection:
            found = await connection.fetch(_ANY_TRANSFER, workspace_sid, sid)
        return next(iter(rows.TRANSFER.entities(found)), None)

    async def kept_answers(self, scope_sid: str, path: str, key: str, after_ms: int) -> list[KeptAnswer]:
        """Read the parts of the answer kept by an idempotency key after a moment, in their order."""
        async with self._database.reading() as connection:
            return await read_kept_answers(connection, scope_sid, path, key, after_ms)

    async def workspace_sids(self) -> list[str]:
        """All workspaces that are not deleted, oldest first."""
        async with self._database.reading() as connection:
            return [row["workspace_sid"] for row in await connection.fetch(_WORKSPACE_SIDS)]

    async def ping(self) -> None:
        """Return when the database answered."""
        await self._database.ping()

    async def acquire(self, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
        """Take a free or expired lease, or one of the same owner, raising its epoch; None when held."""
        async with self._database.committing() as connection:
            return await acquire_lease(connection, workspace_sid, owner, ttl_s)

    async def renew(self, leases: list[Lease], ttl_s: float) -> set[str]:
        """Prolong those leases whose epoch is still ours; returns their workspace SIDs."""
        async with self._database.committing() as connection:
            return await renew_leases(connection, leases, ttl_s)

    async def release(self, lease: Lease) -> None:
        """Give a lease up, if it is still ours."""
        async with self._database.committing() as connection:
            await release_lease(connection, lease)

    async def transfer_lease(self, seen: Lease, owner: str, ttl_s: float) -> Lease | None:
        """Make `owner` the owner, if the lease is still what was seen; None when it is not."""
        async with self._database.committing() as connection:
            return await pass_lease(connection, seen, owner, ttl_s)
