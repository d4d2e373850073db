"""Keeps alerts: collected in memory, thinned out, written many at a time.

A problem is nobody's request, so nobody waits for its alert: it is written within a moment, off the path of
the batch or the callback that had it. A crash loses what was reported in that moment; the log has it.

A problem that comes time after time must not become a flood of rows. Within a minute, of one workspace and
one code, the first ones are kept as they are, each different one once; the rest is counted, and the count is
kept at the end of the minute, with the last of them. So the occurrences of all alerts add up to what
happened.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine import metrics
from engine.alerts import Alert, Problem, level_of
from engine.clock import Clock
from engine.errors import StoreUnavailable
from engine.logs import get_logger
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from engine.sids import SidFactory

WINDOW_S = 60.0
KEPT_MAX = 50
"""How many problems of a workspace and a code are kept one by one in a minute."""

_KINDS_MAX = 10_000
_WAITING_MAX = 10_000
_BATCH_MAX = 500
_TEXT_CHARS_MAX = 1_000
_LINGER_S = 0.1
_PAUSE_S = 1.0

log = get_logger()


class AlertStore(Protocol):
    """Where alerts are kept; storage implements it."""

    async def write(self, alerts: Sequence[Alert]) -> None:
        """Add alerts, at least one; those that are there already stay. Raises StoreUnavailable."""


@dataclass(slots=True)
class _Window:
    """What has come of one workspace and code within the minute."""

    ends_s: float
    kept: set[Problem] = field(default_factory=set)
    counted: int = 0
    last: Problem | None = None


class AlertWriter:
    """Takes problems in (`engine.alerts.Report`) and has them kept.

    Implements `engine.runtime.ports.Publisher` for the warnings of the routing core.

    Args:
        store: where they go.
        mint: makes SIDs.
        clock: milliseconds since the epoch.
    """

    def __init__(self, store: AlertStore, mint: SidFactory, clock: Clock) -> None:
        self._store = store
        self._mint = mint
        self._clock = clock
        self._windows: dict[tuple[str, int], _Window] = {}
        self._waiting: deque[Alert] = deque()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def report(self, problem: Problem) -> None:
        """Keep a problem, by itself or in a count. Returns at once and does not raise."""
        metrics.ALERTS.labels(level_of(problem.code).value).inc(problem.occurrences)
        if self._stopped:
            return
        window = self._window(problem)
        if window is None:
            self._lose(problem.occurrences)
        elif problem in window.kept or len(window.kept) >= KEPT_MAX:
            window.counted += problem.occurrences
            window.last = problem
        else:
            window.kept.add(problem)
            self._keep(problem)
        self._run()

    async def stop(self) -> None:
        """Write what was reported, if the database answers, and take in no more."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._close_windows(float("inf"))
        try:
            await self._write_all()
        except StoreUnavailable as error:
            log.warning("alert.lost", alerts=len(self._waiting), error=str(error))

    # What the runtime publishes

    def committed(self, workspace: Workspace, changes: Changes, /) -> None:
        """Keep the warnings of a durable batch."""
        for warning in changes.warnings:
            self.report(
                Problem(
                    workspace.sid,
                    warning.code,
                    warning.message,
                    task_sid=warning.task_sid,
                    worker_sid=warning.worker_sid,
                    workflow_sid=warning.workflow_sid,
                )
            )

    def recovered(self, _workspace: Workspace, _callbacks: list[AssignmentCallback], /) -> None:
        """Nothing to do."""

    def released(self, _workspace_sid: str, /) -> None:
        """Nothing to do."""

    # From problems to alerts

    def _window(self, problem: Problem) -> _Window | None:
        key = problem.workspace_sid, problem.code
        window = self._windows.get(key)
        if window is None and len(self._windows) < _KINDS_MAX:
            window = self._windows[key] = _Window(asyncio.get_running_loop().time() + WINDOW_S)
        return window

    def _keep(self, problem: Problem) -> None:
        if len(self._waiting) >= _WAITING_MAX:
            self._lose(self._waiting.popleft().occurrences)
        self._waiting.append(
            Alert(
                sid=self._mint("NO"),
                workspace_sid=problem.workspace_sid,
                date_ms=self._clock(),
                code=problem.code,
                level=level_of(problem.code),
                text=problem.text.replace("\0", " ")[:_TEXT_CHARS_MAX],
                url=problem.url,
                task_sid=problem.task_sid,
                worker_sid=problem.worker_sid,
                reservation_sid=problem.reservation_sid,
                workflow_sid=problem.workflow_sid,
                event_sid=problem.event_sid,
                occurrences=problem.occurrences,
            )
        )

    def _lose(self, problems: int) -> None:
        metrics.ALERTS_LOST.inc(problems)

    def _close_windows(self, now_s: float) -> None:
        """Keep the counts of the minutes that are over."""
        for key, window in list(self._windows.items()):
            if window.ends_s > now_s:
                return  # the later ones began later
            del self._windows[key]
            if window.last is not None:
                self._keep(replace(window.last, occurrences=window.counted))

    # Writing

    def _run(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._serve(), name="alerts")

    async def _serve(self) -> None:
        """Write while there is anything to write, or a minute to wait for."""
        clock = asyncio.get_running_loop().time
        while self._waiting or self._windows:
            await asyncio.sleep(_LINGER_S if self._waiting else _PAUSE_S)
            self._close_windows(clock())
            try:
                await self._write_all()
            except StoreUnavailable as error:
                log.warning("alert.waiting", alerts=len(self._waiting), error=str(error))
                await asyncio.sleep(_PAUSE_S)

    async def _write_all(self) -> None:
        async with self._writing:
            while self._waiting:
                batch = [self._waiting[index] for index in range(min(len(self._waiting), _BATCH_MAX))]
                await self._store.write(batch)
                written = {alert.sid for alert in batch}
                while self._waiting and self._waiting[0].sid in written:
                    self._waiting.popleft()
