"""Several publishers told of every batch as if they were one."""

from collections.abc import Callable

from engine.logs import get_logger
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from engine.runtime.ports import Publisher

log = get_logger()


class Publishers:
    """Tells each publisher in turn (implements `engine.runtime.ports.Publisher`).

    What one of them raises, against the contract of the port, is logged and keeps it from nobody else.

    Args:
        publishers: in the order they are told.
    """

    def __init__(self, *publishers: Publisher) -> None:
        self._publishers = publishers

    def committed(self, workspace: Workspace, changes: Changes, /) -> None:
        """Tell every publisher of a durable batch."""
        self._tell(workspace.sid, lambda each: each.committed(workspace, changes))

    def recovered(self, workspace: Workspace, callbacks: list[AssignmentCallback], /) -> None:
        """Tell every publisher that a workspace was loaded."""
        self._tell(workspace.sid, lambda each: each.recovered(workspace, callbacks))

    def released(self, workspace_sid: str, /) -> None:
        """Tell every publisher that a workspace is not served here any more."""
        self._tell(workspace_sid, lambda each: each.released(workspace_sid))

    def _tell(self, workspace_sid: str, tell: Callable[[Publisher], None]) -> None:
        for publisher in self._publishers:
            try:
                tell(publisher)
            except Exception:
                name = type(publisher).__name__
                log.exception("publisher.failed", workspace_sid=workspace_sid, publisher=name)
