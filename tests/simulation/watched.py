"""A core that is watched while it handles commands: what it refuses, or only reads, changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from engine.routing import loading
from engine.routing.commands import Command, ExplainTask, PrepareInstruction, ReadRealTime
from engine.routing.core import WorkspaceCore
from engine.routing.errors import RoutingError
from engine.runtime import loader, service
from tests.simulation.image import Image, differences, image


class LeftTraces(AssertionError):
    """A command that was refused, or that only reads, changed something."""


class WatchedCore(WorkspaceCore):
    """The real core with a look before and after."""

    __slots__ = ()

    def handle(self, command: Command, now_ms: int) -> Any:
        before = None if self.deleted else image(self.board, durable=False)
        try:
            answer = super().handle(command, now_ms)
        except RoutingError:
            self._compare(before, command)
            raise
        if isinstance(command, ExplainTask | PrepareInstruction | ReadRealTime):
            self._compare(before, command)
        return answer

    def _compare(self, before: Image | None, command: Command) -> None:
        if before is not None and (lines := differences(before, image(self.board, durable=False))):
            raise LeftTraces(f"{command} changed\n" + "\n".join(lines))


@contextmanager
def watched_cores() -> Iterator[None]:
    """Let the runtime make its cores of the watched kind.

    Meanwhile a configuration's text is parsed once, however often its workspace is loaded: parsing is most of
    what loading costs, and a parsed configuration never changes.
    """
    parse = lru_cache(maxsize=1_000)(loading.parse_configuration)
    with (
        patch.object(loader, "WorkspaceCore", WatchedCore),
        patch.object(service, "WorkspaceCore", WatchedCore),
        patch.object(loading, "parse_configuration", parse),
    ):
        yield
