"""What every handler works on: the live state and the matcher's indexes beside it."""

from dataclasses import dataclass, field

from engine.routing.eligibility import Eligibility
from engine.routing.state import WorkspaceState


@dataclass(slots=True)
class Board:
    """One workspace: its entities, who may take what, and the tasks whose skip_if is still to be asked."""

    state: WorkspaceState
    eligibility: Eligibility
    entered: dict[str, None] = field(default_factory=dict)
    """Tasks that entered a step with skip_if and wait for one pass of the matcher, in order of entry."""
