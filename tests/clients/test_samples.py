"""The samples of the documentation, run as they stand there: Python, Node, and curl in a shell.

They speak to the port that the documentation names. curl is led to the daemon by its configuration file;
for the two others the address is replaced.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.node_client import node_modules, run_node
from tests.support.daemon import ROOT, DaemonProcess
from tests.wire.support import eventually

DOCUMENTED = "http://127.0.0.1:8080"
PAGES = [ROOT / "README.md", *sorted((ROOT / "deploy").rglob("*.md")), ROOT / "engine" / "api" / "README.md"]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OTHER_COMMANDS = ("pointsman ", "python3 ", ".venv/")
_ENDLESS = "/Events/Stream"
"""A stream does not end; tests/stream follows it with curl."""
TIMEOUT_S = 60


def blocks(language: str, needle: str) -> list[Any]:
    """Return the code blocks of a language that hold a text, each named by its page and what it does."""
    return [
        pytest.param(text, id=f"{page.relative_to(ROOT)}:{number}")
        for page in PAGES
        for number, (found, text) in enumerate(_BLOCK.findall(page.read_text()))
        if found == language and needle in text and _ENDLESS not in text
    ]


CURL = blocks("sh", "curl ")


@pytest.fixture
def environment(daemon: DaemonProcess, tmp_path: Path, workspace: Any) -> dict[str, str]:
    """What the samples find set, and the way to the daemon for curl.

    Credentials, a workspace, a task, the worker who has accepted it and another one.
    """
    task = workspace.tasks.create(attributes='{"language": "en"}')
    idle = next(activity.sid for activity in workspace.activities.list() if activity.available)
    worker = workspace.workers.create(friendly_name="Ann", activity_sid=idle)
    offers = eventually("the task is offered", task.reservations.list)
    offers[0].update(reservation_status="accepted")
    other = workspace.workers.create(friendly_name="Bob", activity_sid=idle)
    (tmp_path / ".curlrc").write_text(
        f'connect-to = "127.0.0.1:8080:127.0.0.1:{daemon.port}"\nshow-error\nfail-with-body\n'
    )
    return {
        **os.environ,
        "CURL_HOME": str(tmp_path),
        "ACCOUNT_SID": daemon.account_sid,
        "AUTH_TOKEN": daemon.auth_token,
        "WORKSPACE": workspace.sid,
        "TASK": task.sid,
        "WORKER": worker.sid,
        "OTHER_WORKER": other.sid,
    }


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, check=False, capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(autouse=True)
def swept(client: Any) -> Any:
    """Delete what the samples made."""
    yield
    for made in client.taskrouter.v1.workspaces.list(friendly_name="Centre"):
        made.delete()


@pytest.mark.parametrize("text", CURL)
def test_curl_as_written(environment: dict[str, str], text: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not tested: there is none on this machine")
    # Commands of ours that stand beside curl have tests of their own.
    script = "".join(line for line in text.splitlines(keepends=True) if not line.startswith(_OTHER_COMMANDS))
    answer = run(["bash", "-euo", "pipefail", "-c", script], environment)
    assert answer.startswith("{"), answer
    assert '"code"' not in answer.partition("results")[0], answer


def test_the_readme_shows_curl_for_all_of_it() -> None:
    assert len([sample for sample in CURL if "README" in str(sample.id)]) >= 6


@pytest.mark.parametrize("text", blocks("python", "twilio"))
def test_python_as_written(daemon: DaemonProcess, environment: dict[str, str], text: str) -> None:
    output = run([sys.executable, "-c", text.replace(DOCUMENTED, daemon.url)], environment)
    assert re.fullmatch(r"WT[0-9a-f]{32} pending\n", output)


@pytest.mark.parametrize("text", blocks("js", "twilio"))
def test_node_as_written(daemon: DaemonProcess, tmp_path: Path, text: str) -> None:
    modules = node_modules()
    (tmp_path / "node_modules").symlink_to(modules)
    sample = tmp_path / "sample.mjs"
    sample.write_text(text.replace(DOCUMENTED, daemon.url))
    output = run_node(modules, daemon, str(sample), cwd=tmp_path)
    assert re.fullmatch(r"WT[0-9a-f]{32} pending\n", output)


def test_the_readme_shows_the_same_in_three_languages() -> None:
    readme = (ROOT / "README.md").read_text()
    table = readme[readme.index("<tr><th>Python") : readme.index("</table>")]
    assert [language for language, _ in _BLOCK.findall(table)] == ["python", "js", "sh"]
