"""What a run leaves behind: its figures, its history, its last steps and its first finding."""

import asyncio
import hashlib
import logging
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict

from engine.routing.effects import Event
from tests.simulation.replay import Finding

STEPS_KEPT = 40
_EVENT_FIELDS = tuple(item.name for item in fields(Event))


@dataclass(slots=True)
class Report:
    """What a run did."""

    seed: int
    injected: Counter[str]
    workspace_days: float = 0.0
    commands: int = 0
    steps: int = 0
    commits: int = 0
    events: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    history: str = ""
    finding: str | None = None
    last_steps: list[str] = field(default_factory=list)


class Journal:
    """Takes down a run as it goes. `found` is set with the first finding."""

    def __init__(self, seed: int, injected: Counter[str]) -> None:
        self.report = Report(seed, injected)
        self.found = asyncio.Event()
        self.lost_outcomes: set[str] = set()
        """Reservations whose callback's outcome the dispatcher gave up offering, as it may after a while."""
        self._hash = hashlib.sha256()
        self._steps: deque[str] = deque(maxlen=STEPS_KEPT)

    def step(self, text: str) -> None:
        """Take down something that happened."""
        line = f"{asyncio.get_running_loop().time():.6f} {text}"
        self.report.steps += 1
        self._steps.append(line)
        self._hash.update(line.encode())

    def written(self, workspace_sid: str, events: list[Event]) -> None:
        """Take down a batch that was written."""
        self.report.commits += 1
        self.report.events += len(events)
        for event in events:
            self._hash.update(orjson.dumps([getattr(event, name) for name in _EVENT_FIELDS]))
        self.step(f"written to {workspace_sid}: {' '.join(event.event_type for event in events)}")

    def find(self, what: str) -> None:
        """Keep the first finding."""
        if self.report.finding is None:
            self.report.finding = what
            self.report.last_steps = list(self._steps)
            self.found.set()

    def watch(self, check: Callable[[], None]) -> None:
        """Make a check; what it raises is a finding, wherever it goes from here."""
        try:
            check()
        except AssertionError as failure:
            self.find(str(failure) if isinstance(failure, Finding) else traceback.format_exc())
            raise

    def watch_end(self, task: asyncio.Task[Any]) -> None:
        """Note how a task ended, if by an exception."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Finding):
            self.find(str(error))
        elif error is not None:
            self.find("".join(traceback.format_exception(error)))

    def unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the event loop complains of."""
        error = context.get("exception")
        self.find(f"{context.get('message')}\n{''.join(traceback.format_exception(error)) if error else ''}")

    def close(self) -> Report:
        """Return the report with the history's hash."""
        self.report.history = self._hash.hexdigest()
        return self.report

    @contextmanager
    def hearing_logs(self) -> Iterator[None]:
        """Take in what the product logs, from warnings on; an exception in it is a finding."""

        def processor(_logger: Any, method: str, event: EventDict) -> EventDict:
            self._hear(method, event)
            raise structlog.DropEvent

        before = structlog.get_config()
        structlog.configure(
            processors=[processor],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            cache_logger_on_first_use=False,
        )
        try:
            yield
        finally:
            structlog.configure(**before)

    def _hear(self, method: str, event: EventDict) -> None:
        name = event["event"]
        if method == "exception" or event.get("exc_info"):
            self.find(f"logged {name}: {traceback.format_exc()}")
        if name == "callback.outcome_lost":
            self.lost_outcomes.add(event["reservation_sid"])
        self.report.answers[f"log: {name}"] += 1
