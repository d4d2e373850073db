"""One batch: what a workspace loop applies to the core between two commits."""

from collections.abc import Mapping
from typing import Any

from engine.errors import PointsmanError, WorkspaceNotFound
from engine.routing.commands import Command
from engine.routing.core import WorkspaceCore
from engine.routing.effects import Changes, KeptAnswer
from engine.routing.errors import RoutingError
from engine.runtime.inbox import Envelope, Inbox
from engine.runtime.limits import RuntimeLimits
from engine.runtime.once import Once, Outcome


class CoreBroken(PointsmanError):
    """The core raised something that is not a refusal: one of its invariants does not hold.

    `context` is the log context of the command that brought it out, empty when it was none.
    """

    def __init__(self, message: str, context: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.context = context


class Batch:
    """The commands of one batch and their answers, held back until the batch is durable."""

    __slots__ = ("_answers", "changes", "envelopes", "more", "now_ms")

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.changes = Changes()
        self.more = False
        """Whether deadlines or matches are left that should not wait for a wake-up."""
        self.now_ms = 0
        """The moment at which it is applied."""
        self._answers: list[tuple[Any, Exception | None]] = []

    def apply(self, core: WorkspaceCore, inbox: Inbox, now_ms: int, limits: RuntimeLimits) -> None:
        """Fire due deadlines, then handle what waits in the inbox, then match.

        No command is taken while more deadlines are due. Raises CoreBroken, after which the core must not
        be used any more.
        """
        self.now_ms = now_ms
        try:
            deadlines_left = core.advance(now_ms, limits.deadlines_max)
            if not deadlines_left:
                self._handle_all(core, inbox.take(limits.batch_commands_max), now_ms)
            matches_left = not core.deleted and core.match(now_ms, limits.match_decisions_max)
            self.changes = core.take_changes()
            self.changes.kept_answers = self._kept_answers(now_ms)
        except CoreBroken:
            raise
        except Exception as error:
            raise CoreBroken(f"{type(error).__name__}: {error}", {}) from error
        self.more = deadlines_left or matches_left

    def settle(self) -> None:
        """Give every caller its answer; to be called once the changes are durable."""
        for envelope, (result, error) in zip(self.envelopes, self._answers, strict=True):
            if error is None:
                envelope.resolve(result)
            else:
                envelope.refuse(error)
        self.envelopes, self._answers = [], []

    def refuse(self, error: Exception) -> None:
        """Answer every caller with `error`, because the batch did not become durable."""
        for envelope in self.envelopes:
            envelope.refuse(error)

    def _kept_answers(self, now_ms: int) -> list[KeptAnswer]:
        """Return what the requests with an idempotency key leave behind."""
        outcomes: dict[Once, list[Outcome]] = {}
        for envelope, (result, error) in zip(self.envelopes, self._answers, strict=True):
            if envelope.once is not None:
                outcomes.setdefault(envelope.once, []).append(Outcome(envelope.index, result, error))
        kept = (once.kept(found, now_ms) for once, found in outcomes.items())
        return [answer for answer in kept if answer is not None]

    def _handle_all(self, core: WorkspaceCore, envelopes: list[Envelope], now_ms: int) -> None:
        self.envelopes = envelopes
        for envelope in envelopes:
            self._answers.append(_handle(core, envelope, now_ms))


def _handle(core: WorkspaceCore, envelope: Envelope, now_ms: int) -> tuple[Any, Exception | None]:
    if core.deleted:
        return None, WorkspaceNotFound(f"workspace {core.workspace.sid} was not found")
    command: Command = envelope.command
    try:
        return core.handle(command, now_ms), None
    except RoutingError as refusal:
        # Its traceback holds this call and the whole batch, which holds the refusal: a cycle that would stay.
        return None, refusal.with_traceback(None)
    except Exception as error:
        broken = f"{type(command).__name__}: {type(error).__name__}: {error}"
        raise CoreBroken(broken, envelope.context) from error
