"""`pointsman serve` and `migrate` as processes: credentials are shown once and stay out of the log."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
import tomllib
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60


def environment(**given: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
    return inherited | given


@asynccontextmanager
async def serving(*flags: str, **environ: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A daemon that listens, and its port; afterwards its standard error is still to be read."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", "serve", "--port", "0", *flags),
        cwd=ROOT,
        env=environment(**environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        seen = ""
        async with asyncio.timeout(TIMEOUT_S):
            while '"server.listening"' not in seen:
                line = (await process.stderr.readline()).decode()
                assert line, seen
                seen += line
        yield process, json.loads(seen.splitlines()[-1])["port"]
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def stop(process: asyncio.subprocess.Process) -> tuple[str, str]:
    """End it as a service manager does; returns what was left on its standard output and error."""
    process.send_signal(signal.SIGTERM)
    out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 0, err.decode()
    return out.decode(), err.decode()


def status_of(port: int, account_sid: str, auth_token: str) -> int:
    credentials = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/Workspaces", headers={"Authorization": f"Basic {credentials}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(answer.status)


async def test_made_credentials_work_are_shown_once_and_never_logged(tmp_path: Path, database: str) -> None:
    flags = ("--database-url", database, "--data-dir", str(tmp_path / "data"))
    debug = {"POINTSMAN_LOGGING_LEVEL": "debug", "POINTSMAN_LOGGING_REDACT": "false"}
    async with serving(*flags, **debug) as (process, port):
        kept = tomllib.loads((tmp_path / "data" / "credentials.toml").read_text())
        assert await asyncio.to_thread(status_of, port, kept["account_sid"], kept["auth_token"]) == 200
        out, log = await stop(process)
    assert re.findall(r"[0-9a-f]{32}", out) == [kept["account_sid"][2:], kept["auth_token"]]
    assert "request.answered" in log
    assert kept["auth_token"] not in log
    async with serving(*flags) as (process, port):
        assert await asyncio.to_thread(status_of, port, kept["account_sid"], kept["auth_token"]) == 200
        out, _ = await stop(process)
    assert out == ""


async def test_given_credentials_are_not_shown(tmp_path: Path, database: str) -> None:
    given = {"POINTSMAN_ACCOUNT_SID": "AC" + "a" * 32, "POINTSMAN_AUTH_TOKEN": "given-token"}
    flags = ("--database-url", database, "--data-dir", str(tmp_path / "data"))
    async with serving(*flags, **given) as (process, port):
        assert await asyncio.to_thread(status_of, port, "AC" + "a" * 32, "given-token") == 200
        out, log = await stop(process)
    assert out == ""
    assert "given-token" not in log


async def test_migrate_can_be_repeated_and_tells_the_version(tmp_path: Path, empty_database: str) -> None:
    said = set()
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "engine", "migrate", "--database-url", empty_database),
            cwd=ROOT,
            env=environment(POINTSMAN_DATA_DIR=str(tmp_path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        assert process.returncode == 0, err.decode()
        said.add(out.decode())
    assert len(said) == 1
    assert re.fullmatch(r"The schema is at version \d+\.\n", said.pop())
