"""`pointsman tail`: follow the events of a workspace of a running daemon in a terminal.

Events go to standard output, everything else to standard error. A connection that is lost is made again, and
goes on behind the last event that was printed; what would only fail again ends the command.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import orjson
from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout
from rich.console import Console
from rich.text import Text

from engine.errors import PointsmanError
from engine.lint_command import Daemon
from engine.tail_lines import line_of, printable

CONNECT_TIMEOUT_S = 10
SILENCE_S = 60
"""Heartbeats come more often than that: a connection that is silent for so long is dead."""
RETRY_FIRST_S = 0.5
RETRY_MAX_S = 3.0
LINE_BYTES_MAX = 4 * 1024 * 1024
_LISTED_MAX = 20
_AGAIN = frozenset({429, 500, 502, 503, 504})
"""Answers that may be others the next time."""


class TailError(PointsmanError):
    """It cannot be followed; the message is one line."""


class _LostError(Exception):
    """The connection was lost, or could not be made this time."""


@dataclass(slots=True, frozen=True)
class Wanted:
    """What to follow: the workspace (empty: the only one), filters, the first event, and how to print it."""

    workspace_sid: str = ""
    event_types: tuple[str, ...] = ()
    task_sids: tuple[str, ...] = ()
    worker_sids: tuple[str, ...] = ()
    task_queue_sids: tuple[str, ...] = ()
    start: int | None = None
    as_json: bool = False
    color: bool = True

    def query(self) -> list[tuple[str, str]]:
        """Return the parameters of the request."""
        lists = {
            "EventType": self.event_types,
            "TaskSid": self.task_sids,
            "WorkerSid": self.worker_sids,
            "TaskQueueSid": self.task_queue_sids,
        }
        found = [(name, value) for name, values in lists.items() for value in values]
        return found if self.start is None else [*found, ("From", str(self.start))]


def run(daemon: Daemon, wanted: Wanted) -> None:
    """Print events until interrupted, or until the workspace is deleted.

    Raises TailError: the daemon is not there at the start, or refuses the request.
    """
    try:
        asyncio.run(_Tail(daemon, wanted).follow())
    except (KeyboardInterrupt, BrokenPipeError):
        # Whoever reads has seen enough. What is still buffered has nowhere to go.
        sys.stderr.flush()


@dataclass(slots=True)
class _Tail:
    daemon: Daemon
    wanted: Wanted
    last_id: str = ""
    connected: bool = False
    """Whether there was a connection at any time."""
    ended: bool = False
    out: Console = field(init=False)
    note: Console = field(init=False)

    def __post_init__(self) -> None:
        no_color = None if self.wanted.color else True
        self.out = Console(soft_wrap=True, highlight=False, no_color=no_color)
        self.note = Console(stderr=True, soft_wrap=True, highlight=False, no_color=no_color)

    async def follow(self) -> None:
        """Print events over as many connections as it takes."""
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S)
        headers = {"Authorization": _basic(self.daemon)}
        async with ClientSession(headers=headers, timeout=timeout, read_bufsize=LINE_BYTES_MAX) as session:
            sid = self.wanted.workspace_sid or await self._only_workspace(session)
            url = f"{self.daemon.url}/v1/Workspaces/{sid}/Events/Stream"
            pause_s = RETRY_FIRST_S
            while not self.ended:
                seen = self.last_id
                try:
                    await self._connect(session, url, sid)
                except _LostError as error:
                    if not self.connected:
                        raise TailError(str(error)) from None
                    self._say(f"{error}; trying again", "yellow")
                if self.ended:
                    return
                pause_s = RETRY_FIRST_S if self.last_id != seen else min(pause_s * 2, RETRY_MAX_S)
                await asyncio.sleep(pause_s)

    async def _connect(self, session: ClientSession, url: str, sid: str) -> None:
        headers = {"Last-Event-ID": self.last_id} if self.last_id else {}
        try:
            async with session.get(
                url, params=self.wanted.query(), headers=headers, allow_redirects=False
            ) as answer:
                await self._check(answer)
                self._say(f"{'Following again' if self.connected else 'Following'} {sid}", "dim")
                self.connected = True
                async for block in _blocks(answer):
                    self._take(block)
        except (ClientError, TimeoutError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise _LostError(f"{self.daemon.url} is not reachable: {reason}") from None

    async def _check(self, answer: ClientResponse) -> None:
        """Raise TailError when the answer is a refusal, _LostError when it may be another the next time."""
        if answer.status == 200 and answer.content_type == "text/event-stream":
            return
        message = await _message(answer)
        if answer.status in _AGAIN and self.connected:
            raise _LostError(message)
        if answer.status == 401:
            raise TailError(f"the credentials are wrong: {message}")
        raise TailError(message)

    def _take(self, block: Mapping[str, str]) -> None:
        """Print the event of a block, and remember how far we have come."""
        data = block.get("data")
        if data is not None and "id" not in block:
            self._end(str(orjson.loads(data).get("reason")))
        elif data is not None:
            self._print(data)
        self.last_id = block.get("id", self.last_id)

    def _end(self, reason: str) -> None:
        """Take note of the server's last word; only a deleted workspace is no reason to come back."""
        self.ended = reason == "deleted"
        said = "The workspace was deleted" if self.ended else f"The server ended the stream: {reason}"
        self._say(said, "yellow")

    def _print(self, data: str) -> None:
        if self.wanted.as_json:
            sys.stdout.write(f"{data}\n")
        elif self.out.is_terminal:
            self.out.print(line_of(orjson.loads(data)))
        else:
            sys.stdout.write(f"{line_of(orjson.loads(data)).plain}\n")
        sys.stdout.flush()

    def _say(self, text: str, style: str) -> None:
        """Tell whoever watches; scripts are not bothered unless something is wrong."""
        if self.note.is_terminal or style != "dim":
            self.note.print(Text(printable(text), style=style))

    async def _only_workspace(self, session: ClientSession) -> str:
        """Return the SID of the account's only workspace. Raises TailError when there is another number."""
        url = f"{self.daemon.url}/v1/Workspaces"
        try:
            async with session.get(url, params={"PageSize": _LISTED_MAX}, allow_redirects=False) as answer:
                if answer.status != 200:
                    message = await _message(answer)
                    wrong = "the credentials are wrong: " if answer.status == 401 else ""
                    raise TailError(f"{wrong}{message}")
                found = (await answer.json())["workspaces"]
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise TailError(f"{self.daemon.url} is not reachable: {reason}") from None
        if len(found) == 1:
            return str(found[0]["sid"])
        named = ", ".join(f"{each['sid']} ({printable(each['friendly_name'])})" for each in found)
        raise TailError(f"which workspace? --workspace is needed: {named or 'there is none yet'}")


async def _blocks(answer: ClientResponse) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of each block; ours have one line of each."""
    block: dict[str, str] = {}
    async for raw in answer.content:
        line = raw.decode().rstrip("\n")
        if not line:
            if block:
                yield block
            block = {}
            continue
        name, _, value = line.partition(":")
        if name:
            block[name] = value.removeprefix(" ")


async def _message(answer: ClientResponse) -> str:
    """Return what a refusal says."""
    try:
        return f"{answer.status}: {(await answer.json())['message']}"
    except (ClientError, ValueError, KeyError, TypeError):
        return f"{answer.status} from {answer.url.origin()}, which does not look like Pointsman"


def _basic(daemon: Daemon) -> str:
    return "Basic " + base64.b64encode(f"{daemon.account_sid}:{daemon.auth_token}".encode()).decode()
