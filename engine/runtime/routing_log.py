"""The log of committed routing facts: one event per fact, named as the event type is named.

What is logged comes from the committed changes only, so a line in the log is a fact. Attributes never are:
the fields are SIDs, names of states and durations.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from engine.logs import get_logger, log_facts
from engine.routing.effects import Changes, Event
from engine.routing.entities import Workspace
from engine.runtime.inbox import Envelope

log = get_logger()

_SIDS = ("task_sid", "worker_sid", "reservation_sid", "task_queue_sid", "workflow_sid", "task_channel_sid")
_sids_of = attrgetter(*_SIDS)

Context = Mapping[str, Any]
_NONE: Context = {}


def log_committed(workspace: Workspace, changes: Changes, envelopes: Sequence[Envelope]) -> None:
    """Log every event and warning of a durable batch, with the context of the call that caused it."""
    if changes.warnings and log.is_enabled_for(logging.WARNING):
        _log_warnings(workspace, changes)
    if changes.events and log.is_enabled_for(logging.INFO):
        _log_events(workspace, changes, envelopes)


def _log_warnings(workspace: Workspace, changes: Changes) -> None:
    for warning in changes.warnings:
        log.warning(
            "routing.warning",
            account_sid=workspace.account_sid,
            workspace_sid=workspace.sid,
            code=warning.code,
            detail=warning.message,
            **_present(
                task_sid=warning.task_sid, worker_sid=warning.worker_sid, workflow_sid=warning.workflow_sid
            ),
        )


def _log_events(workspace: Workspace, changes: Changes, envelopes: Sequence[Envelope]) -> None:
    contexts = dict(_addressed(envelopes))
    always = {"account_sid": workspace.account_sid, "workspace_sid": workspace.sid}
    log_facts(
        [
            (
                event.event_type,
                _fields({**contexts.get(event.resource_sid, _NONE), **always}, event, changes),
            )
            for event in changes.events
        ]
    )


def _fields(fields: dict[str, Any], event: Event, changes: Changes) -> dict[str, Any]:
    """Add to the fields what is told of an event: its number, what it is about, and how long that took.

    How long is how long the task has existed and the reservation was open when it happened.
    """
    fields["sequence"] = event.sequence
    sids = _sids_of(event)
    fields |= {name: sid for name, sid in zip(_SIDS, sids, strict=True) if sid is not None}
    if event.resource_sid not in sids:
        fields["resource_sid"] = event.resource_sid
    task = changes.tasks.get(event.task_sid or "")
    if task is not None:
        fields["task_age_ms"] = event.event_date_ms - task.date_created_ms
    reservation = changes.reservations.get(event.reservation_sid or "")
    if reservation is not None and event.event_type != "reservation.created":
        fields["reservation_age_ms"] = event.event_date_ms - reservation.date_created_ms
    return fields


def _addressed(envelopes: Sequence[Envelope]) -> Iterator[tuple[str, Context]]:
    """The log contexts by the SID that their command is about."""
    for envelope in envelopes:
        sid = getattr(envelope.command, "sid", None) or getattr(envelope.command, "reservation_sid", None)
        if sid is not None and envelope.context:
            yield sid, envelope.context


def _present(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
