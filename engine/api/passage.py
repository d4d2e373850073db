"""The short way of a request that another node has to carry out: its bytes go there, the answer's come back.

It is chosen as an errand is (express.py), when a connection to the owner of the workspace is idle. Whatever
is refused there was not carried out, and has the long way.
"""

import asyncio
import time
from functools import lru_cache
from typing import Any

import orjson

from engine.api.accounting import account, refusal_of
from engine.api.every_answer import new_request_id, spell
from engine.api.heads import Plain
from engine.api.operations import Route
from engine.api.peers import NOT_SENT_ON
from engine.api.problems import problem
from engine.cluster.forwarder import Forwarder, unknown_outcome
from engine.cluster.messages import REFUSED, Answer, Message, NoAnswer

_NOT_PASSED = NOT_SENT_ON - {"host", "content-length"}
"""A plain head tells the truth about these."""


class Passage:
    """One request on its way through this node; to the connection it came by it is an errand.

    Args:
        forwarder: finds the owner.
        plain: the request.
        route: what it asks for.
        workspace_sid: the workspace.
        account_sid: whose that is.
    """

    __slots__ = ("_began_s", "_context", "_forwarder", "_route", "_workspace_sid", "future", "plain")

    def __init__(
        self, forwarder: Forwarder, plain: Plain, route: Route, workspace_sid: str, account_sid: str
    ) -> None:
        self._began_s = time.perf_counter()
        self._forwarder = forwarder
        self.plain = plain
        """The request."""
        self._route = route
        self._workspace_sid = workspace_sid
        self._context = {
            "request_id": new_request_id(),
            "account_sid": account_sid,
            "workspace_sid": workspace_sid,
        }
        self.future: asyncio.Future[Any]
        """Done when there is an answer."""

    def start(self) -> bool:
        """Send the request, which is there as a whole; False when that cannot be done at once."""
        plain = self.plain
        sent = self._forwarder.pass_on(
            Message(
                plain.method,
                plain.target,
                _passed(plain.lines) + plain.body,
                subject=self._workspace_sid,
                request_id=self._context["request_id"],
            )
        )
        if sent is None:
            return False
        self.future = sent
        return True

    def further(self) -> None:
        """Nothing is waited for but the answer."""

    def answer(self) -> bytes | None:
        """Return the answer as it is sent, or None when the request was not taken in."""
        try:
            answer: Answer = self.future.result()
        except NoAnswer as error:
            return self._unknown(error)
        if answer.header(REFUSED):
            return None
        self._account(answer.status)
        return _own(answer)

    def cut_off(self) -> None:
        """Account for a request whose client went before its end."""
        self._account(400)

    def _unknown(self, error: NoAnswer) -> bytes:
        unknown = unknown_outcome(self._workspace_sid, error)
        refusal = refusal_of(unknown, self.plain.method, self.plain.target, self._context)
        self._account(refusal.status)
        body = orjson.dumps(problem(refusal))
        return spell(refusal.status, refusal.headers, None, self._context["request_id"], body)

    def _account(self, status: int) -> None:
        duration_s = time.perf_counter() - self._began_s
        account(self._route.method, self._route.path, status, duration_s, self._context)


@lru_cache(maxsize=1_024)
def _passed(lines: bytes) -> bytes:
    """Return the header lines that go on, with the empty line behind them."""
    kept = [line for line in lines.split(b"\r\n") if _name(line) not in _NOT_PASSED]
    return b"\r\n".join([*kept, b"", b""])


def _name(line: bytes) -> str:
    return line.partition(b":")[0].decode().lower()


def _own(answer: Answer) -> bytes:
    """Return the bytes of an answer without what concerns the connection between the nodes."""
    connection = answer.header("Connection")
    if not connection:
        return answer.raw
    return answer.raw.replace(f"\r\nConnection: {connection}".encode(), b"", 1)
