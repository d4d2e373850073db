"""Finds the owner of a workspace and has it carry out a request, for as long as that is known to be safe.

| what happened | what is done |
|---|---|
| the node cannot be connected to, or says that it is not the owner | again: nothing was carried out |
| the connection was lost after the request was sent | again if it is repeatable, else 503 that says so |
| nobody owns the workspace just now | waited for |

All of that together takes no longer than the patience of the request; it is renewed once, when a repeatable
one was lost. A request that came from another node
is never sent on: whoever does not serve its workspace says so.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from engine.cluster.connection import Connection
from engine.cluster.messages import REFUSED, Answer, Message, NoAnswer, NotSent, Refusal
from engine.cluster.peers import Peers
from engine.cluster.ports import Directory, Peer
from engine.errors import NotServing, StoreUnavailable, Unavailable
from engine.logs import get_logger
from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace

log = get_logger()

MISDIRECTED = 421
PAUSE_FIRST_S = 0.02
PAUSE_MAX_S = 0.25
ACCOUNTS_MAX = 10_000
ACCOUNT_KNOWN_S = 5.0

T = TypeVar("T")
Attempt = Callable[[Peer, Message, float], Awaitable[T | None]]
"""Sends a message to a node, until a deadline; None when the node did not take it in."""


@dataclass(slots=True)
class _Search:
    """How far the search for the owner of one request's workspace has come.

    `lost` is what is told when an outcome is unknown; `reason` tells why the last attempt came to nothing.
    """

    deadline_s: float
    lost: Unavailable | None = None
    reason: str = "no node serves it"
    _pause_s: float = PAUSE_FIRST_S

    def left_s(self) -> float:
        """Return how long it may go on."""
        return self.deadline_s - time.monotonic()

    def next_pause_s(self) -> float:
        """Return how long to wait for news before the next attempt."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, PAUSE_MAX_S)
        return min(pause_s, self.left_s())


class Forwarder:
    """Has requests carried out by the nodes that own their workspaces.

    It is told, as a publisher, when a workspace is served here: whoever waits for it is served here too.

    Args:
        directory: who owns what.
        peers: the connections to the other nodes.
        patience_s: how long a request may wait for an owner.
    """

    def __init__(self, directory: Directory, peers: Peers, patience_s: float) -> None:
        self.directory = directory
        self.serves: Callable[[str], bool] = lambda _: False
        """Tells whether a workspace is served by this node."""
        self.on_news: list[Callable[[], None]] = []
        """Called when workspaces may have got other owners."""
        self._peers = peers
        self._patience_s = patience_s
        self._news = asyncio.Event()
        self._accounts: dict[str, tuple[str, float]] = {}
        self._follower: asyncio.Task[None] | None = None
        peers.moved = self.has_moved

    def start(self) -> None:
        """Begin to follow the directory."""
        self._peers.start()
        self._follower = asyncio.create_task(self._follow(), name="cluster-forwarder")

    async def stop(self) -> None:
        """Stop; requests under way are given up."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        await self._peers.stop()

    def deadline_s(self) -> float:
        """Return until when a request that comes now may wait, by the monotonic clock."""
        return time.monotonic() + self._patience_s

    def account_of(self, workspace_sid: str) -> str | None:
        """Return the account of a workspace that was looked up lately."""
        account_sid, until_s = self._accounts.get(workspace_sid, (None, 0.0))
        return account_sid if time.monotonic() < until_s else None

    def note_account(self, workspace_sid: str, account_sid: str) -> None:
        """Remember for a little while whose workspace it is: its owner looks too, and knows better."""
        if len(self._accounts) >= ACCOUNTS_MAX:
            self._accounts.clear()
        self._accounts[workspace_sid] = account_sid, time.monotonic() + ACCOUNT_KNOWN_S

    def too_late(self, deadline_s: float) -> bool:
        """Tell whether such a deadline is over."""
        return time.monotonic() >= deadline_s

    async def carry_out(self, message: Message, deadline_s: float) -> Answer | None:
        """Have the owner of the message's workspace carry it out.

        Returns its answer, or None when the workspace is served here by now.

        Raises NotServing when nobody took it in in time, Unavailable when nobody knows what became of it.
        """
        return await self._with_owner(message, deadline_s, self._ask)

    def pass_on(self, message: Message) -> "asyncio.Future[Answer] | None":
        """Send a small request whose answer is only passed on, if that can be done at once; else None.

        The message's head is all that comes behind the proof: the empty line and the body, too. The answer
        may be a refusal to take it in.
        """
        peer = self.directory.owner_of(message.subject)
        return None if peer is None else self._peers.pass_on(peer, message)

    async def open(self, message: Message, deadline_s: float) -> tuple[Peer, Answer, Connection] | None:
        """Have the owner upgrade a connection; returns it, its answer, and the connection if that is 101.

        Returns None when the workspace is served here by now. Raises Unavailable.
        """
        return await self._with_owner(message, deadline_s, self._open)

    async def _with_owner(self, message: Message, deadline_s: float, attempt: Attempt[T]) -> T | None:
        """Try until an owner has answered or the workspace is served here; the pauses grow."""
        search = _Search(deadline_s)
        while not self.serves(message.subject):
            peer, pause_s = self.directory.owner_of(message.subject), search.left_s()
            if peer is not None:
                found = await self._try(peer, message, search, attempt)
                if found is not None:
                    return found
                pause_s = search.next_pause_s()
            await self._look_again(pause_s)
            if search.left_s() <= 0:
                log.debug("cluster.not_forwarded", workspace_sid=message.subject, reason=search.reason)
                raise search.lost or NotServing(
                    f"workspace {message.subject} takes no commands now: {search.reason}"
                )
        return None

    async def _try(self, peer: Peer, message: Message, search: "_Search", attempt: Attempt[T]) -> T | None:
        """Ask one node; None when it may be asked again, or another."""
        try:
            found = await attempt(peer, message, search.deadline_s)
        except NotSent as error:
            search.reason = f"its node does not take requests: {error}"
            return None
        except NoAnswer as error:
            if search.lost is None:  # a node that hung took the patience with it
                search.deadline_s = max(search.deadline_s, self.deadline_s())
            search.lost = unknown_outcome(message.subject, error)
            if not message.repeatable:
                raise search.lost from None
            return None
        search.reason = "the node that owned it does not serve it any more"
        return found

    async def _ask(self, peer: Peer, message: Message, deadline_s: float) -> Answer | None:
        answer = await self._peers.ask(peer, message, deadline_s)
        return None if _refused(answer) else answer

    async def _open(
        self, peer: Peer, message: Message, _deadline_s: float
    ) -> tuple[Peer, Answer, Connection] | None:
        answer, connection = await self._peers.open(peer, message)
        return None if _refused(answer) else (peer, answer, connection)

    # News

    def committed(self, workspace: Workspace, changes: Changes, /) -> None:
        """Batches are no news here."""

    def recovered(self, _workspace: Workspace, _callbacks: list[AssignmentCallback], /) -> None:
        """A workspace is served here: let those who wait for it in."""
        self._tell()

    def released(self, _workspace_sid: str, /) -> None:
        """Whoever waits goes on to wait for its next owner."""

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
        for told in self.on_news:
            told()

    async def _look_again(self, seconds: float) -> None:
        """Look at the rows now; return when they say something else, or when the time is over."""
        news = self._news
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                with contextlib.suppress(StoreUnavailable):
                    await self.directory.refresh()
                await news.wait()

    async def _follow(self) -> None:
        while True:
            await self.directory.changed()
            self._tell()

    def elsewhere(self, workspace_sid: str) -> bool:
        """Tell whether a workspace is certainly served by another node."""
        return not self.serves(workspace_sid) and self.directory.owner_of(workspace_sid) is not None

    def has_moved(self, workspace_sid: str, name: str) -> bool:
        """Tell whether a workspace has certainly another owner by now than the node of that name."""
        if self.serves(workspace_sid):
            return True
        peer = self.directory.owner_of(workspace_sid)
        return peer is not None and peer.name != name


def _refused(answer: Answer) -> bool:
    """Tell whether a node has not taken the request in."""
    refusal = answer.header(REFUSED) if answer.status == MISDIRECTED else ""
    if refusal == Refusal.FALSE_PROOF:
        raise NotSent("it does not know this node: cluster.secret must be the same")
    return bool(refusal)


def unknown_outcome(workspace_sid: str, error: NoAnswer) -> Unavailable:
    """Return what is told of a request that was sent on and not answered; it is logged, too."""
    log.warning("cluster.unanswered", workspace_sid=workspace_sid, error=str(error))
    return Unavailable(f"it is unknown whether the request was carried out: {error}")
