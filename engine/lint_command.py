"""`pointsman lint`: print what is probably wrong in a configuration file or a workspace of a daemon.

What is found goes to standard output, one line each: `path: column N: message`. On a terminal it is coloured
and ends with a summary.
"""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout
from rich.console import Console
from rich.text import Text

from engine.credentials import CREDENTIALS_FILE, read_credentials
from engine.errors import PointsmanError, SettingsError
from engine.routing.attributes import parse_attributes
from engine.routing.errors import Refused
from engine.routing.lint import Knowledge, LintWarning, lint_configuration, lint_target_workers
from engine.routing.on_configuration import parse_target_workers
from engine.routing.values import worker_values
from engine.routing.workflow import parse_configuration
from engine.settings import Settings

FILE_BYTES_MAX = 16 * 1024 * 1024
PAGE_SIZE = 200
REQUEST_TIMEOUT_S = 30
WORKERS_MAX = 100_000
LOOK_UPS_MAX = 100_000_000
"""Nobody waits for a command line as a workspace waits for its loop: every worker is looked at."""

_EVERY_INTERFACE = frozenset({str(IPv4Address(0)), str(IPv6Address(0))})
_LISTS = {
    "workflows": "Workflows",
    "task_queues": "TaskQueues",
    "workers": "Workers",
    "activities": "Activities",
    "channels": "TaskChannels",
}
"""Keys of the lists that are fetched, to their place in the workspace."""

Documents = Mapping[str, list[dict[str, Any]]]


class LintError(PointsmanError):
    """The file cannot be read, or the daemon does not answer as expected; the message is one line."""


@dataclass(slots=True, frozen=True)
class Daemon:
    """Where a daemon is and how to sign in."""

    url: str
    account_sid: str
    auth_token: str

    def __repr__(self) -> str:
        return f"Daemon({self.url!r}, {self.account_sid!r})"


@dataclass(slots=True, frozen=True)
class Found:
    """One line: what it is about (nothing for a file), then a warning or, as plain text, an error."""

    resource: str
    what: LintWarning | str

    def __str__(self) -> str:
        return f"{self.resource}: {self.what}" if self.resource else str(self.what)


def daemon_of(settings: Settings) -> Daemon:
    """Return the daemon that the settings describe.

    Raises SettingsError when neither they nor the credentials file of the data directory name an account.
    """
    given = settings.credentials
    account_sid, auth_token = given.account_sid, given.auth_token
    if not (account_sid and auth_token):
        kept = read_credentials(settings.database.data_dir / CREDENTIALS_FILE)
        if account_sid in ("", kept.get("account_sid")):
            account_sid, auth_token = kept.get("account_sid", ""), auth_token or kept.get("auth_token", "")
    if not (account_sid and auth_token):
        raise SettingsError(
            "an account is needed: --account-sid and --auth-token, or POINTSMAN_ACCOUNT_SID and "
            "POINTSMAN_AUTH_TOKEN"
        )
    return Daemon(settings.server.public_url or listening_at(settings), account_sid, auth_token)


def listening_at(settings: Settings) -> str:
    """Return the URL of a daemon that runs here by the same settings."""
    host, port = settings.server.host, settings.server.port
    if host in _EVERY_INTERFACE:
        host = "localhost"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(file: str | None, workspace_sid: str | None, daemon: Daemon | None, *, strict: bool) -> int:
    """Look at a file, a workspace, or a file as a configuration of a workspace; print what is found.

    Args:
        file: path of a configuration, `-` for standard input.
        workspace_sid: the workspace, which `daemon` has.
        daemon: needed with `workspace_sid`.
        strict: whether warnings count as failure.

    Returns:
        The exit code: 1 when something is invalid or, with `strict`, there is a warning.

    Raises:
        LintError: the file cannot be read or the daemon does not answer.
    """
    console = Console(soft_wrap=True, highlight=False)
    text = None if file is None else _read(file)
    documents = None
    if workspace_sid is not None:
        assert daemon is not None
        with console.status(f"Fetching workspace {workspace_sid}"):
            documents = asyncio.run(_fetch(daemon, workspace_sid))
    if text is None:
        assert documents is not None
        found = list(_workspace(documents))
    else:
        found = list(_configuration("", text, documents))
    errors = sum(isinstance(line.what, str) for line in found)
    _print(console, found, errors)
    return 1 if errors or (strict and found) else 0


def _read(file: str) -> str:
    name = "standard input" if file == "-" else file
    if file == "-":
        raw = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
    else:
        with Path(file).open("rb") as opened:
            raw = opened.read(FILE_BYTES_MAX + 1)
    if len(raw) > FILE_BYTES_MAX:
        raise LintError(f"{name}: longer than {FILE_BYTES_MAX} bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LintError(f"{name}: not UTF-8 text: byte {error.start + 1} is no part of a character") from None


def _workspace(documents: Documents) -> Iterator[Found]:
    knowledge = _knowledge(documents)
    for workflow in documents["workflows"]:
        resource = f"Workflow {workflow['friendly_name']!r} ({workflow['sid']})"
        yield from _configuration(resource, workflow["configuration"], documents, knowledge)
    for queue in documents["task_queues"]:
        resource = f"TaskQueue {queue['friendly_name']!r} ({queue['sid']})"
        try:
            expression = parse_target_workers(queue["target_workers"])
        except Refused as error:
            yield Found(resource, str(error))
            continue
        yield from _found(resource, lint_target_workers(expression, knowledge))


def _configuration(
    resource: str, text: str, documents: Documents | None, knowledge: Knowledge | None = None
) -> Iterator[Found]:
    """Look at one configuration; without documents nothing is known of its workspace."""
    queue_exists = None
    if documents is not None:
        queue_exists = {queue["sid"] for queue in documents["task_queues"]}.__contains__
        knowledge = knowledge or _knowledge(documents)
    try:
        configuration = parse_configuration(text, queue_exists)
    except Refused as error:
        yield Found(resource, str(error))
        return
    yield from _found(resource, lint_configuration(configuration, knowledge))


def _found(resource: str, warnings: Iterable[LintWarning]) -> Iterator[Found]:
    return (Found(resource, warning) for warning in warnings)


def _knowledge(documents: Documents) -> Knowledge:
    return Knowledge(
        workers=[
            worker_values(
                parse_attributes(worker["attributes"]),
                worker["sid"],
                worker["friendly_name"],
                worker["activity_sid"],
                worker["activity_name"],
            )
            for worker in documents["workers"]
        ],
        activities={activity["sid"]: activity["friendly_name"] for activity in documents["activities"]},
        channels=[channel["unique_name"] for channel in documents["channels"]],
        sample_max=WORKERS_MAX,
        look_ups_max=LOOK_UPS_MAX,
    )


async def _fetch(daemon: Daemon, workspace_sid: str) -> Documents:
    """Fetch the lists of a workspace. Raises LintError."""
    auth = BasicAuth(daemon.account_sid, daemon.auth_token)
    timeout = ClientTimeout(total=REQUEST_TIMEOUT_S)
    async with ClientSession(auth=auth, timeout=timeout) as session:
        base = f"{daemon.url}/v1/Workspaces/{workspace_sid}"
        await _get(session, base, {})
        return {key: await _list(session, f"{base}/{place}", key) for key, place in _LISTS.items()}


async def _list(session: ClientSession, url: str, key: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while True:
        page = await _get(session, url, {"PageSize": str(PAGE_SIZE), **token})
        items += page[key]
        following = page["meta"]["next_page_url"]
        if following is None:
            return items
        token = {"PageToken": parse_qs(urlsplit(following).query)["PageToken"][0]}


async def _get(session: ClientSession, url: str, query: Mapping[str, str]) -> dict[str, Any]:
    try:
        async with session.get(url, params=query, allow_redirects=False) as answer:
            body: dict[str, Any] = await answer.json()
            status = answer.status
    except (ClientError, TimeoutError, ValueError) as error:
        raise LintError(f"GET {url}: {' '.join(str(error).split()) or type(error).__name__}") from None
    if status != 200:
        raise LintError(f"GET {url}: {status}: {body.get('message')}")
    return body


def _print(console: Console, found: list[Found], errors: int) -> None:
    if not console.is_terminal:
        sys.stdout.writelines(f"{line}\n" for line in found)
        return
    for line in found:
        console.print(_coloured(line))
    warnings = len(found) - errors
    style = "red" if errors else "yellow" if warnings else "green"
    console.print(Text(f"{_counted(errors, 'error')}, {_counted(warnings, 'warning')}", style=style))


def _coloured(line: Found) -> Text:
    text = Text(f"{line.resource}: " if line.resource else "", style="bold")
    if isinstance(line.what, str):
        return text.append(line.what, style="not bold red")
    text.append(line.what.path, style="not bold cyan").append(": ", style="not bold")
    if line.what.column is not None:
        text.append(f"column {line.what.column}: ", style="not bold dim")
    return text.append(line.what.message, style="not bold")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
