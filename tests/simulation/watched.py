"""A core that is watched while it handles commands: what it refuses must have changed nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.errors import RoutingError
from engine.runtime import loader, service
from tests.simulation.image import differences, image


class RefusalChangedState(AssertionError):
    """A refused command left traces."""


class WatchedCore(WorkspaceCore):
    """The real core with a look before and after."""

    __slots__ = ()

    def handle(self, command: Command, now_ms: int) -> Any:
        before = None if self.deleted else image(self.board, durable=False)
        try:
            return super().handle(command, now_ms)
        except RoutingError as refusal:
            if before is not None and (lines := differences(before, image(self.board, durable=False))):
                found = "\n".join(lines)
                raise RefusalChangedState(f"{command} was refused ({refusal}) and changed\n{found}") from refusal
            raise


@contextmanager
def watched_cores() -> Iterator[None]:
    """Let the runtime make its cores of the watched kind."""
    with patch.object(loader, "WorkspaceCore", WatchedCore), patch.object(service, "WorkspaceCore", WatchedCore):
        yield
