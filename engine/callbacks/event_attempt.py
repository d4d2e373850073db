"""One attempt to deliver an event: the request, its identity, its log line (behaviour §9)."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Protocol

from engine import metrics
from engine.callback_urls import public_form
from engine.callbacks import standard_webhooks
from engine.callbacks.client import Answer, MoreHeaders
from engine.callbacks.event_fields import EventReceiver, event_fields
from engine.callbacks.failures import RETRIEVAL, CallbackFailure
from engine.callbacks.lane import Delivery
from engine.clock import Clock
from engine.logs import get_logger, log_facts
from engine.routing.effects import Event

KIND = "event"
_SECONDS = metrics.CALLBACK_SECONDS.labels(KIND)
_DELIVERED = metrics.CALLBACKS.labels(KIND, "delivered")
_FAILED = metrics.CALLBACKS.labels(KIND, "failed")

log = get_logger()


class EventSender(Protocol):
    """What sends them: `client.CallbackClient`."""

    async def post(
        self,
        url: str,
        fields: Mapping[str, str],
        account_sid: str,
        timeout_s: float,
        *,
        body_matters: bool,
        more_headers: MoreHeaders | None = None,
    ) -> Answer:
        """POST a signed form and read the answer. Raises CallbackFailure."""

    async def close(self) -> None:
        """Close all connections."""


async def attempt(
    sender: EventSender, facts: EventReceiver, delivery: Delivery, timeout_s: float, clock: Clock
) -> CallbackFailure | int:
    """Send an event once; returns the status of its success, or its failure."""
    time_s = asyncio.get_running_loop().time
    started_s = time_s()
    outcome = await _post(sender, facts, delivery, timeout_s, clock)
    duration_s = time_s() - started_s
    _SECONDS.observe(duration_s)
    (_DELIVERED if isinstance(outcome, int) else _FAILED).inc()
    _log(facts, delivery, outcome, round(duration_s * 1000))
    return outcome


async def _post(
    sender: EventSender, facts: EventReceiver, delivery: Delivery, timeout_s: float, clock: Clock
) -> CallbackFailure | int:
    try:
        answer = await sender.post(
            facts.url,
            event_fields(facts, delivery.event),
            facts.account_sid,
            timeout_s,
            body_matters=False,
            more_headers=partial(_headers, delivery.event, delivery.attempts + 1, clock() // 1000),
        )
    except CallbackFailure as failure:
        return failure
    except Exception as error:
        # A fault of ours with one event must not hold its receiver's others for ever.
        log.exception("event_callback.crashed", **owner(facts), event_sid=delivery.event.sid)
        return CallbackFailure(RETRIEVAL, type(error).__name__)
    return answer.status


def _headers(event: Event, attempt_number: int, timestamp_s: int, token: str, body: bytes) -> dict[str, str]:
    """The same identity on every attempt, and the number of the attempt."""
    return {
        "I-Twilio-Idempotency-Token": event.sid,
        "X-Pointsman-Sequence": str(event.sequence),
        "X-Pointsman-Attempt": str(attempt_number),
    } | standard_webhooks.headers(token, event.sid, timestamp_s, body)


def owner(facts: EventReceiver) -> dict[str, str]:
    """What every log line about a receiver tells."""
    return {"workspace_sid": facts.workspace_sid, "url": public_form(facts.url)}


def _log(facts: EventReceiver, delivery: Delivery, outcome: CallbackFailure | int, duration_ms: int) -> None:
    event = delivery.event
    told = owner(facts) | {
        "event_sid": event.sid,
        "event_type": event.event_type,
        "sequence": event.sequence,
        "attempt": delivery.attempts + 1,
        "task_sid": event.task_sid,
        "worker_sid": event.worker_sid,
        "reservation_sid": event.reservation_sid,
        "duration_ms": duration_ms,
    }
    if isinstance(outcome, int):
        log_facts([("event_callback.delivered", told | {"status": outcome})])
        return
    log.warning(
        "event_callback.failed", **told, status=outcome.status, code=outcome.code, reason=outcome.reason
    )
