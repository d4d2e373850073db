"""`pointsman lint --workspace`: what a running daemon has, against its workers."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceInstance

from engine.lint_command import PAGE_SIZE
from tests.support.daemon import ROOT, DaemonProcess
from tests.wire.support import Http


class Linter:
    """Runs the command on one workspace."""

    def __init__(self, daemon: DaemonProcess, workspace_sid: str) -> None:
        self.daemon = daemon
        self.workspace_sid = workspace_sid

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
        settings = {
            "POINTSMAN_ACCOUNT_SID": self.daemon.account_sid,
            "POINTSMAN_AUTH_TOKEN": self.daemon.auth_token,
            "POINTSMAN_PORT": str(self.daemon.port),
        }
        command = [sys.executable, "-m", "engine", "lint", "--workspace", self.workspace_sid, *arguments]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=inherited | settings,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def lint(daemon: DaemonProcess, workspace: WorkspaceInstance) -> Linter:
    return Linter(daemon, str(workspace.sid))


def make(http: Http, path: str, **fields: str) -> str:
    answer = http.post(path, fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sid"])


def configuration(condition: str, **target: Any) -> str:
    return json.dumps({"task_routing": {"filters": [{"expression": condition, "targets": [target]}]}})


def test_workflows_and_queues_are_linted_against_the_workers(lint: Linter, http: Http, base: str) -> None:
    make(http, f"{base}/Workers", FriendlyName="Ann", Attributes='{"level": 3}')
    queue = make(http, f"{base}/TaskQueues", FriendlyName="Hard", TargetWorkers="level > '2'")
    text = configuration("1==1", queue=queue, expression="worker.lvl == 1")
    workflow = make(http, f"{base}/Workflows", FriendlyName="Flow", Configuration=text)
    done = lint()
    first, second = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert first.startswith(
        f"Workflow 'Flow' ({workflow}): filters[0].targets[0].expression: column 1: "
        "no worker has an attribute lvl"
    )
    assert second.startswith(f"TaskQueue 'Hard' ({queue}): TargetWorkers: column 1: level is a number")
    assert lint("--strict").returncode == 1


def test_a_clean_workspace_says_nothing(lint: Linter, daemon: DaemonProcess) -> None:
    done = lint("--strict", "--url", daemon.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_workers_of_all_pages_count(lint: Linter, http: Http, base: str) -> None:
    def hire(number: int) -> None:
        attributes = '{"rare": 1}' if number == PAGE_SIZE else "{}"
        make(http, f"{base}/Workers", FriendlyName=f"w{number}", Attributes=attributes)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hire, range(PAGE_SIZE + 1)))
    make(http, f"{base}/TaskQueues", FriendlyName="Rare", TargetWorkers="rare == 1")
    assert lint("--strict").stdout == ""


def test_a_file_is_linted_as_if_it_were_saved_there(lint: Linter, http: Http, base: str) -> None:
    make(http, f"{base}/Workers", FriendlyName="Ann", Attributes='{"level": 3}')
    queue = make(http, f"{base}/TaskQueues", FriendlyName="Hard", TargetWorkers="gone == 1 OR gone == null")
    done = lint("-", stdin=configuration("x == 1", queue=queue, expression="worker.level == 'a'"))
    assert done.returncode == 0
    assert done.stdout.startswith("filters[0].targets[0].expression: column 1: worker.level is a number")
    unknown = "WQ" + "0" * 32
    done = lint("-", stdin=configuration("x == 1", queue=unknown))
    assert done.returncode == 1
    assert done.stdout.startswith(f"filters[0].targets[0].queue: there is no TaskQueue '{unknown}'")


def test_a_daemon_that_refuses_or_is_not_there_is_one_line_and_exit_1(lint: Linter) -> None:
    unknown = "WS" + "f" * 32
    for arguments, says in (
        (["--auth-token", "wrong"], ": 401: "),
        (["--workspace", unknown], f"/v1/Workspaces/{unknown}: 404: "),
        (["--url", "http://127.0.0.1:1"], "Cannot connect"),
    ):
        done = lint(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith("pointsman: ")
        assert says in line
        assert lint.daemon.auth_token not in line
