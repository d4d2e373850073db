"""The voice gateway: a configured URL that carries out voice instructions and says what became of them.

The order goes out as a signed form, like every callback, and is answered in JSON:

    {"status": "accepted", "call_sid": "CA…", "conference_sid": "CF…"}      both SIDs optional
    {"status": "failed", "reason": "the worker did not answer"}

Anything else is no answer: it is not known then what became of the order. It may be given again, and carries
the same InstructionId then, by which the gateway tells a repetition from something new.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
from aiohttp.abc import AbstractResolver

from engine import metrics
from engine.callback_urls import public_form
from engine.callbacks import failures
from engine.callbacks.client import Answer, CallbackClient, TokenOf
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import CallbackLimits, VoiceGatewayLimits
from engine.errors import InstructionUnderWay, VoiceGatewayFailed
from engine.logs import get_logger
from engine.routing.voice import Verdict, VoiceOrder

REASON_CHARS_MAX = 500
SID_CHARS_MAX = 128

_KIND = "voice"
_log = get_logger()


class VoiceGateway:
    """Gives orders to the gateway (implements `engine.runtime.ports.VoiceGateway`).

    Args:
        limits: its URL, time, numbers and sizes.
        token_of: returns the auth token that signs an account's orders, or None.
        resolver: finds the addresses of host names; default: the operating system's.
        tls: whom an https gateway is trusted by; default: the system's certificates.
    """

    def __init__(
        self,
        limits: VoiceGatewayLimits,
        token_of: TokenOf,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._token_of = token_of
        self._resolver = resolver
        self._tls = tls
        self._slots = asyncio.Semaphore(limits.concurrent_max)
        self._busy: set[str] = set()
        self._client: CallbackClient | None = None

    async def start(self) -> None:
        """Open for sending."""
        limits = CallbackLimits(
            response_bytes_max=self._limits.response_bytes_max, allow_private=self._limits.allow_private
        )
        self._client = CallbackClient(limits, self._token_of, self._resolver, self._tls)

    async def stop(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    @contextmanager
    def turn(self, reservation_sid: str) -> Iterator[None]:
        """Hold the only turn of a reservation. Raises InstructionUnderWay when another has it."""
        if reservation_sid in self._busy:
            raise InstructionUnderWay(
                f"Another instruction for reservation {reservation_sid} is being carried out"
            )
        self._busy.add(reservation_sid)
        try:
            yield
        finally:
            self._busy.discard(reservation_sid)

    async def ask(self, account_sid: str, order: VoiceOrder) -> Verdict:
        """Have an order carried out; raises VoiceGatewayFailed when there is no proper answer in time."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        timeout_s = self._limits.timeout_s
        if order.patience_ms is not None:
            timeout_s = min(timeout_s, order.patience_ms / 1000)
        try:
            verdict = await self._ask(account_sid, order, began_s + timeout_s)
        except CallbackFailure as failure:
            metrics.CALLBACKS.labels(_KIND, "failed").inc()
            _log.warning(
                "voice.failed",
                **self._log_fields(order),
                code=failure.code,
                reason=failure.reason,
                status=failure.status,
                duration_ms=round((clock() - began_s) * 1000),
            )
            raise VoiceGatewayFailed(failure.reason, failure.code, late=failure.late) from failure
        took_s = clock() - began_s
        metrics.CALLBACKS.labels(_KIND, "delivered").inc()
        metrics.CALLBACK_SECONDS.labels(_KIND).observe(took_s)
        _log.info(
            "voice.answered",
            **self._log_fields(order),
            outcome="accepted" if verdict.done else "failed",
            call_sid=verdict.call_sid,
            conference_sid=verdict.conference_sid,
            reason=verdict.reason,
            duration_ms=round(took_s * 1000),
        )
        return verdict

    async def _ask(self, account_sid: str, order: VoiceOrder, deadline_s: float) -> Verdict:
        if self._client is None:
            raise CallbackFailure(failures.CONNECTION, "this node is stopping")
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._slots.acquire()
        except TimeoutError as error:
            raise CallbackFailure(failures.CONNECTION, "too much is under way", late=True) from error
        try:
            fields = (("InstructionId", order.id), ("Instruction", order.instruction.name), *order.fields)
            left_s = deadline_s - asyncio.get_running_loop().time()
            answer = await self._client.post(self._limits.url, fields, account_sid, left_s, body_matters=True)
        finally:
            self._slots.release()
        return read_verdict(answer)

    def _log_fields(self, order: VoiceOrder) -> dict[str, Any]:
        return {
            "reservation_sid": order.reservation_sid,
            "instruction": order.instruction.name,
            "instruction_id": order.id,
            "url": public_form(self._limits.url),
        }


def read_verdict(answer: Answer) -> Verdict:
    """Interpret a 2xx answer.

    Raises:
        CallbackFailure: 40000 or 40001: it is not what the gateway has to answer.
    """
    if answer.content_type.partition(";")[0].strip().lower() != "application/json":
        found = answer.content_type or "none"
        reason = f"the content type is not application/json but {found[:80]!r}"
        raise CallbackFailure(failures.CONTENT_TYPE, reason, answer.status)
    try:
        parsed = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise CallbackFailure(failures.NOT_JSON, "the body is not JSON", answer.status) from error
    status = parsed.get("status") if isinstance(parsed, dict) else None
    if status == "failed":
        return Verdict(False, _reason(parsed.get("reason")))
    if status != "accepted":
        reason = 'the answer has no status "accepted" or "failed"'
        raise CallbackFailure(failures.NOT_JSON, reason, answer.status)
    return Verdict(
        True,
        call_sid=_sid("call_sid", parsed, answer.status),
        conference_sid=_sid("conference_sid", parsed, answer.status),
    )


def _reason(value: object) -> str:
    text = value if isinstance(value, str) else ""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return printable.strip()[:REASON_CHARS_MAX] or "no reason given"


def _sid(name: str, parsed: dict[str, Any], status: int) -> str | None:
    """Return what identifies a call or a conference at the gateway: any short text without spaces."""
    value = parsed.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str) and len(value) <= SID_CHARS_MAX and value.isprintable() and " " not in value:
        return value
    reason = f"{name} is not a text of at most {SID_CHARS_MAX} characters without spaces"
    raise CallbackFailure(failures.NOT_JSON, reason, status)
