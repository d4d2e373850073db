"""Links, and the sign-in over HTTP as a browser does it."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import Morsel
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy

from engine.desk_command import make_link
from engine.settings import Settings
from tests.bridge.support import Desk
from tests.support.daemon import ROOT, DaemonProcess

COOKIE = "pointsman_desk"


def environment_of(daemon: DaemonProcess) -> dict[str, str]:
    """The environment of a command that works on the daemon's database."""
    assert daemon.database_url is not None
    return {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POINTSMAN_PORT": str(daemon.port),
        "POINTSMAN_DATA_DIR": str(daemon.data_dir),
        "POINTSMAN_DATABASE_URL": daemon.database_url,
        "POINTSMAN_ACCOUNT_SID": daemon.account_sid,
        "POINTSMAN_AUTH_TOKEN": daemon.auth_token,
    }


def settings_of(daemon: DaemonProcess, **variables: str) -> Settings:
    """The settings of such a command."""
    return Settings.load(environ=environment_of(daemon) | variables)


def desk_link(daemon: DaemonProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `pointsman desk-link`."""
    command = [sys.executable, "-m", "engine", "desk-link", *arguments]
    return subprocess.run(
        command, env=environment_of(daemon), capture_output=True, text=True, check=False, timeout=60
    )


async def link_for(desk: Desk, name: str = "alice", **variables: str) -> str:
    """Make a link for a worker; returns the address."""
    return await make_link(
        settings_of(desk.daemon, **variables), desk.workers[name], desk.sid, desk.daemon.account_sid
    )


def secret_in(url: str) -> str:
    """What a link is proved with."""
    match = re.fullmatch(r"http://[\w.:]+/desk#link=(WS[0-9a-f]{32}\.[\w-]{43})", url)
    assert match, url
    return match[1]


@dataclass
class Answer:
    """An answer of the sign-in."""

    status: int
    body: Any
    headers: CIMultiDictProxy[str]
    cookie: Morsel[str] | None

    @property
    def session(self) -> dict[str, str]:
        """The cookie, to be sent."""
        assert self.cookie is not None
        return {"Cookie": f"{COOKIE}={self.cookie.value}"}


async def post(
    daemon: DaemonProcess, path: str, document: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """POST to the desk, without a cookie jar."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.post(f"{daemon.url}/desk/{path}", json=document, headers=headers) as response,
    ):
        body = await response.json() if response.status != 204 else None
        return Answer(response.status, body, response.headers, response.cookies.get(COOKIE))


async def sign_in(daemon: DaemonProcess, url: str) -> Answer:
    """Use a link."""
    return await post(daemon, "session", {"Link": secret_in(url)})


async def at_once(count: int, daemon: DaemonProcess, url: str) -> list[int]:
    """Use a link several times at the same moment; returns the statuses."""
    answers = await asyncio.gather(*(sign_in(daemon, url) for _ in range(count)))
    return sorted(answer.status for answer in answers)
