"""The receivers of callbacks: an application that answers well, badly, late, twice or not at all.

Stands where the dispatcher's HTTP client stands (`engine.callbacks.client.CallbackClient`), so everything
behind it is the real dispatcher: its time limits, its reading of answers, its fallback, its retries.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from random import Random

from engine.callbacks.client import Answer
from engine.callbacks.failures import CONNECTION, RETRIEVAL, CallbackFailure
from engine.routing.commands import Command, UpdateReservation
from engine.routing.entities import ReservationStatus
from tests.simulation.words import UNKNOWN

JSON = "application/json"

_ANSWERS: dict[str, tuple[str, str]] = {
    "empty": ("", ""),
    "empty object": (JSON, "{}"),
    "no instruction": (JSON, '{"to": "+15550100"}'),
    "an instruction for telephones": (JSON, '{"instruction": "dequeue"}'),
    "an unknown instruction": (JSON, '{"instruction": ["accept"]}'),
    "not JSON": (JSON, "<html>"),
    "another content type": ("text/html", '{"instruction": "accept"}'),
    "accept": (f"{JSON}; charset=utf-8", '{"instruction": "accept"}'),
    "reject": (JSON, '{"instruction": "reject"}'),
}

_FAILURES = {
    "refuses the connection": CallbackFailure(CONNECTION, "no connection"),
    "answers 500": CallbackFailure(RETRIEVAL, "HTTP status 500", 500),
}

_BEHAVIOURS = (
    *_ANSWERS,
    *_FAILURES,
    "reject and move",
    "slow accept",
    "never answers",
    "accept by REST, then by answer",
    "accept by REST later",
    "reject by REST, answer accept",
)


class Webhooks:
    """All receivers of a run.

    Args:
        random: draws what they do.
        note: counts what they did.
        posted: told of every assignment callback that arrived: its fields and its URL.
        asked: told of every instruction before it is answered.
        rest: carries out a command as a client would: (workspace SID, command, delay in seconds).
        activity: draws an activity of a workspace.
    """

    def __init__(
        self,
        random: Random,
        *,
        note: Callable[[str], None],
        posted: Callable[[dict[str, str], str], None],
        asked: Callable[[Command], None],
        rest: Callable[[str, Command, float], None],
        activity: Callable[[str], str],
    ) -> None:
        self._random = random
        self._note = note
        self._posted = posted
        self._asked = asked
        self._rest = rest
        self._activity = activity
        sane = {"accept": 6, "empty": 2, "reject": 2}
        self._weights = [sane.get(name, 0) + random.choice((0, 0, 0, 0.5, 2)) for name in _BEHAVIOURS]
        self._patience_s = random.choice((0.01, 0.2, 2.0))

    async def post(
        self, url: str, fields: Mapping[str, str], account_sid: str, timeout_s: float, *, body_matters: bool
    ) -> Answer:
        """Answer a callback, or fail as the client would report it."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer(url, dict(fields))
        except TimeoutError:
            raise CallbackFailure(RETRIEVAL, f"no answer within {timeout_s:g} s") from None

    async def _answer(self, url: str, fields: dict[str, str]) -> Answer:
        await asyncio.sleep(self._random.random() * self._patience_s)
        self._posted(fields, url)
        how = self._random.choices(_BEHAVIOURS, self._weights)[0]
        self._note(f"webhook: {how}")
        if how in _FAILURES:
            raise _FAILURES[how]
        content_type, body = await self._carry_out(how, fields)
        await asyncio.sleep(self._random.random() * self._patience_s)
        return Answer(200, content_type, body.encode())

    async def _carry_out(self, how: str, fields: dict[str, str]) -> tuple[str, str]:
        workspace_sid, sid = fields["WorkspaceSid"], fields["ReservationSid"]
        accept = UpdateReservation(sid, ReservationStatus.ACCEPTED, worker_sid=fields["WorkerSid"])
        reject = UpdateReservation(sid, ReservationStatus.REJECTED, task_sid=fields["TaskSid"])
        for word, command in (("accept", accept), ("reject", reject)):
            if word in how:
                self._asked(command)
        if how == "never answers":
            await asyncio.sleep(1e6)
        if how == "slow accept":
            await asyncio.sleep(self._random.random() * 8)
        if how == "accept by REST, then by answer":
            self._rest(workspace_sid, accept, 0.0)
        if how == "reject by REST, answer accept":
            self._rest(workspace_sid, reject, 0.0)
        if how == "accept by REST later":
            self._rest(workspace_sid, accept, self._random.choice((1.0, 10.0, 130.0)) * self._random.random())
            return "", ""
        if how == "reject and move":
            activity = self._random.choice((self._activity(workspace_sid), f"WA{UNKNOWN}", "Break"))
            return JSON, json.dumps({"instruction": "reject", "activity_sid": activity})
        return _ANSWERS.get(how, _ANSWERS["accept"])
