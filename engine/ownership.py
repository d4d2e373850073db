"""The lease: who may write a workspace."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Lease:
    """The right to write one workspace, until it expires by the database's clock."""

    workspace_sid: str
    owner: str
    epoch: int
