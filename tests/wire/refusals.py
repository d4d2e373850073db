"""A daemon with several accounts and something of everything, and all that is seen of it."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from tests.auth.support import HOSTED, basic, bearer, capability, client_of, policy, send, sign
from tests.support.daemon import ROOT, DaemonProcess
from tests.wire.support import Http, eventually

INBOX = 50
NOBODY = "0" * 32
SETTINGS = {
    # Small enough to be reached: the inbox by a bulk request, the rate by the second request.
    "POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX": str(INBOX),
    "POINTSMAN_SERVER_RATE_LIMIT_BULK_STATISTICS_PER_S": "0.0001",
}
LISTS = ("Activities", "TaskQueues", "Workflows", "TaskChannels", "Workers", "Tasks", "Events")


@dataclass
class World:
    """What the cases send their requests to.

    `paths` are of one thing of each kind; `names` what stands for the placeholders of routes.
    """

    daemon: DaemonProcess
    http: Http
    names: dict[str, str]
    key_sid: str
    key_secret: str
    other: tuple[str, str]
    suspended: tuple[str, str]
    theirs: str
    broken: str

    @property
    def base(self) -> str:
        """The path of the workspace below /v1."""
        return f"/Workspaces/{self.names['WS']}"

    def __call__(self, method: str, path: str, data: Any = None, **more: Any) -> requests.Response:
        """Send a request with the account's credentials; `path` may hold placeholders of routes."""
        return self.http(method, self.filled(path), data=data, **more)

    def filled(self, path: str, **other: str) -> str:
        """Put SIDs in the place of `{WT}` and the like; of what there is none, a SID of nothing."""
        named = {name: f"{name}{NOBODY}" for name in re.findall(r"{(\w+)}", path)}
        return path.format(**{**named, **self.names, **other})

    def under(self, authorization: str | None, method: str = "GET", path: str = "") -> requests.Response:
        """Send a request with other credentials, or none; without a path that for the workspace."""
        return send(self.daemon, method, path or self.base, authorization)

    def claims(self, **more: Any) -> dict[str, Any]:
        """The claims of a capability token of the account, for everything."""
        return {**capability(self.daemon.account_sid, policy(f"{HOSTED}/**")), **more}

    def capable(self, **claims: Any) -> str:
        """A header with such a token."""
        return bearer(sign(self.claims(**claims), self.daemon.auth_token))

    def seen(self) -> dict[str, Any]:
        """Everything that a client can see, ages left out; of the log the number of entries."""
        page = {"PageSize": 1000}
        found: dict[str, Any] = {"workspaces": self.http.get("/Workspaces").json()["workspaces"]}
        for name in LISTS:
            answer = self.http.get(f"{self.base}/{name}", params=page).json()
            items = answer[answer["meta"]["key"]]
            found[name] = [{key: value for key, value in item.items() if key != "age"} for item in items]
        found["theirs"] = send(self.daemon, "GET", f"/Workspaces/{self.theirs}", basic(*self.other)).json()
        return found


def build(daemon: DaemonProcess, database: str) -> World:
    """Set the world up on a daemon that was started with `SETTINGS`."""
    http = Http(daemon)
    other, suspended = _account(daemon, database), _account(daemon, database)
    _pointsman(daemon, database, "accounts", "suspend", suspended[0])
    client = client_of(daemon, daemon.account_sid, daemon.auth_token)
    key = client.new_keys.create(friendly_name="for refusals")
    client.http_client.session.close()
    theirs = send(daemon, "POST", "/Workspaces", basic(*other), data={"FriendlyName": "Theirs"}).json()["sid"]
    broken = http.post("/Workspaces", {"FriendlyName": "Broken", "Template": "FIFO"}).json()["sid"]
    names = _names(http)
    return World(daemon, http, names, key.sid, key.secret, other, suspended, theirs, broken)


def _names(http: Http) -> dict[str, str]:
    """Make one of everything; the task is offered to the worker."""
    workspace = http.post("/Workspaces", {"FriendlyName": "Support", "Template": "FIFO"}).json()["sid"]
    base = f"/Workspaces/{workspace}"
    activity = http.get(f"{base}/Activities", params={"Available": "true"}).json()["activities"][0]["sid"]
    worker = http.post(f"{base}/Workers", {"FriendlyName": "Ann", "ActivitySid": activity}).json()["sid"]
    task = http.post(f"{base}/Tasks", {"Attributes": "{}"}).json()["sid"]
    offers = f"{base}/Tasks/{task}/Reservations"
    reservation = eventually("an offer", lambda: http.get(offers).json()["reservations"])[0]["sid"]
    return {
        "WS": workspace,
        "WA": activity,
        "WK": worker,
        "WT": task,
        "WR": reservation,
        "TT": f"TT{1:032x}",  # only an accepted task has one
        "WQ": http.get(f"{base}/TaskQueues").json()["task_queues"][0]["sid"],
        "WW": http.get(f"{base}/Workflows").json()["workflows"][0]["sid"],
        "EV": http.get(f"{base}/Events").json()["events"][0]["sid"],
        "channel": "voice",
    }


def lines(items: list[Mapping[str, Any]]) -> dict[str, Any]:
    """The body and the headers of a bulk request."""
    return {"data": json.dumps(items), "headers": {"Content-Type": "application/json"}}


def _account(daemon: DaemonProcess, database: str) -> tuple[str, str]:
    out = _pointsman(daemon, database, "accounts", "create", "--name", "Another")
    sid, token = re.findall(r"^(?:Account SID|Auth token): +(\S+)$", out, re.MULTILINE)
    return sid, token


def _pointsman(daemon: DaemonProcess, database: str, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    command = [sys.executable, "-m", "engine", *arguments]
    command += ["--database-url", database, "--data-dir", str(daemon.data_dir)]
    done = subprocess.run(
        command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
