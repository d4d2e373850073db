"""Where a workspace loop stands, and what it tells those it cannot serve."""

from enum import Enum

from engine.errors import NotServing, PointsmanError, Unavailable, WorkspaceNotFound


class State(Enum):
    """Where a loop stands; only a serving one takes commands."""

    OPENING = "it is being loaded"
    HELD_ELSEWHERE = "another node owns it"
    SERVING = "it is served here"
    HANDING_OVER = "another node is about to own it"
    STOPPING = "this node is shutting down"
    DELETED = "it was deleted"


class LeaseExpired(PointsmanError):
    """Too little is left of the lease to begin another batch."""


def refusal(workspace_sid: str, state: State) -> PointsmanError:
    """Return what a caller is told when a loop in this state cannot take its command."""
    if state is State.DELETED:
        return WorkspaceNotFound(f"workspace {workspace_sid} was not found")
    return NotServing(f"workspace {workspace_sid} takes no commands now: {state.value}")


def unknown_outcome() -> Unavailable:
    """Return what the callers of a batch are told that perhaps did not become durable."""
    return Unavailable("it is unknown whether the command was carried out")
