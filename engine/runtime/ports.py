"""What the runtime needs of the outside world, as Protocols: storage and callbacks implement them."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from engine.ownership import Lease
from engine.routing.effects import AssignmentCallback, Changes, KeptAnswer
from engine.routing.entities import Reservation, Task, Transfer, Workspace
from engine.routing.rows import WorkspaceRows
from engine.routing.voice import Verdict, VoiceOrder


class Store(Protocol):
    """Fenced writes and the loader's reads."""

    async def create_workspace(self, owner: str, lease_ttl_s: float, changes: Changes) -> Lease:
        """Write a new workspace with all of `changes` and its lease (epoch 1) in one transaction."""

    async def commit(self, lease: Lease, changes: Changes) -> None:
        """Write a batch in one transaction that also checks the lease's epoch.

        Raises Fenced (nothing written) or StoreUnavailable (unknown whether it was written).
        """

    async def load(self, workspace_sid: str) -> WorkspaceRows | None:
        """Read a workspace's live state in one snapshot; None when there is no such workspace."""

    async def finished_task(self, workspace_sid: str, sid: str, finished_after_ms: int) -> Task | None:
        """Read a completed or canceled task that finished after that moment and was not deleted."""

    async def reservation(self, workspace_sid: str, sid: str) -> Reservation | None:
        """Read a reservation in any state."""

    async def transfer(self, workspace_sid: str, sid: str) -> Transfer | None:
        """Read a transfer in any state."""

    async def kept_answers(self, scope_sid: str, path: str, key: str, after_ms: int) -> list[KeptAnswer]:
        """Read the parts of the answer kept by an idempotency key after a moment, in their order."""

    async def workspace_sids(self) -> list[str]:
        """All workspaces that are not deleted."""

    async def ping(self) -> None:
        """Return when the database answered; raises StoreUnavailable when it does not."""


class LeaseStore(Protocol):
    """The lease rows. Expiry is by the database's clock."""

    async def acquire(self, workspace_sid: str, owner: str, ttl_s: float) -> Lease | None:
        """Take a free or expired lease, or one of the same owner, raising its epoch; None when held."""

    async def renew(self, leases: list[Lease], ttl_s: float) -> set[str]:
        """Prolong those leases whose epoch is still ours; returns their workspace SIDs."""

    async def release(self, lease: Lease) -> None:
        """Give a lease up, if it is still ours."""

    async def transfer_lease(self, seen: Lease, owner: str, ttl_s: float) -> Lease | None:
        """Make `owner` the owner, under a new epoch, if the lease is still what was seen; None when not."""


@dataclass(slots=True, frozen=True)
class Claim:
    """A lease that is worth asking for: `owner` had it before, if another node did.

    `gone` is the lease of an owner that is known to be gone, to be taken although it has not expired; None
    when the lease is free or ours.
    """

    owner: str = ""
    gone: Lease | None = None


class Claims(Protocol):
    """What is known of the leases and of the other nodes, so that no loop asks in vain."""

    def claim(self, workspace_sid: str) -> Claim | None:
        """Tell whether this node should ask for a workspace's lease now; None is to wait until it is told
        that something has changed."""

    def learn(self, lease: Lease) -> None:
        """Take in that another node was made the owner."""

    def has_peers(self) -> bool:
        """Tell whether there is another living node that takes forwarded requests."""

    def owner_lives(self, workspace_sid: str) -> bool:
        """Tell whether another node that takes forwarded requests owns the workspace and is alive."""


class Publisher(Protocol):
    """Told of every committed batch, in commit order, on the loop's thread; must not block or raise."""

    def committed(self, workspace: Workspace, changes: Changes) -> None:
        """A batch of this workspace is durable: send its callbacks."""

    def recovered(self, workspace: Workspace, callbacks: list[AssignmentCallback], /) -> None:
        """A workspace was loaded: these callbacks may or may not have been sent before."""

    def released(self, workspace_sid: str, /) -> None:
        """A workspace is not served here any more, or was dropped to be loaded again: send nothing for it."""


class VoiceGateway(Protocol):
    """Who carries out voice instructions. An instruction has its reservation's turn from before its order is
    made until its outcome is committed."""

    def turn(self, reservation_sid: str) -> AbstractContextManager[None]:
        """Hold the only turn of a reservation. Raises InstructionUnderWay when another has it."""

    async def ask(self, account_sid: str, order: VoiceOrder) -> Verdict:
        """Have an order carried out, within the gateway's time and the reservation's.

        Raises VoiceGatewayFailed: nobody knows what became of it; the same order may be given again.
        """
