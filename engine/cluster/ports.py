"""What forwarding needs to know of the other nodes; the cluster's view of the database implements it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class Peer:
    """A living node that takes forwarded requests.

    `name` is its owner name in the lease rows. `address` is where its internal listener is reached:
    `host:port` (`[…]:port` for IPv6), or the absolute path of a unix socket. A draining peer still
    answers for what it owns.
    """

    name: str
    address: str
    draining: bool = False


class Directory(Protocol):
    """Which node owns which workspace, as of the last look at the rows."""

    def owner_of(self, workspace_sid: str) -> Peer | None:
        """Return the other node that holds the workspace's lease.

        None when nobody does, when the lease has expired, when its owner has no address or is taken for
        dead, and when it is this node itself.
        """

    async def refresh(self) -> None:
        """Look at the rows now; calls that come during a look share the one after it.

        Raises StoreUnavailable.
        """

    async def changed(self) -> None:
        """Return when a look has found something else than the one before; the look itself is not caused."""
