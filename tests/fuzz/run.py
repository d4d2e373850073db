"""Runs schemathesis against a daemon; by hand: `python -m tests.fuzz.run --seed 7 --minutes 20`."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.support.daemon import ROOT, DaemonProcess
from tests.support.fixtures import make_open_directory

HERE = Path(__file__).parent
_CASES = re.compile(r"(\d+) generated")


@dataclass
class Outcome:
    """What a run came to: whether everything held, how many requests it was, and the report."""

    passed: bool
    cases: int
    report: str


# Schemas do not tell which activity or page exists, what an expression is, or which states follow each other.
_NOT_TOLD_BY_SCHEMAS = "positive_data_acceptance"
# Its answer does not end; tests/stream asks it.
_ENDLESS = "StreamEvent"


def fuzz(daemon: DaemonProcess, *, seed: int, examples: int, seconds: int) -> Outcome:
    """Send made-up requests to a daemon and check the answers against its own OpenAPI document.

    Args:
        daemon: one that nobody else needs.
        seed: the same seed makes up the same requests.
        examples: about so many requests per operation and phase.
        seconds: after this no more requests are made up.
    """
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
        f"{daemon.url}/openapi.json", "--auth", f"{daemon.account_sid}:{daemon.auth_token}",
        "--seed", str(seed), "--max-examples", str(examples), "--max-time", str(seconds),
        "--exclude-operation-id", _ENDLESS, "--checks", "all", "--exclude-checks", _NOT_TOLD_BY_SCHEMAS,
        "--request-timeout", "60", "--generation-database", "none", "--no-color", "--no-shrink",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "POINTSMAN_FUZZ_SIDS": json.dumps(furnish(daemon)),
    }
    done = subprocess.run(
        command, cwd=daemon.directory, env=environment, capture_output=True, text=True, check=False
    )
    found = _CASES.search(done.stdout)
    return Outcome(done.returncode == 0, int(found[1]) if found else 0, done.stdout + done.stderr)


def furnish(daemon: DaemonProcess) -> dict[str, str]:
    """Make a resource of every kind and return their SIDs by prefix."""
    with requests.Session() as session:
        session.auth = (daemon.account_sid, daemon.auth_token)

        def post(path: str, **fields: str) -> str:
            answer = session.post(f"{daemon.url}{path}", data=fields)
            answer.raise_for_status()
            return str(answer.json()["sid"])

        def listed(path: str, key: str) -> list[dict[str, str]]:
            return list(session.get(f"{daemon.url}{path}").json()[key])

        workspace = post("/v1/Workspaces", FriendlyName="Made up", Template="FIFO")
        base = f"/v1/Workspaces/{workspace}"
        (available,) = (a for a in listed(f"{base}/Activities?Available=true", "activities"))
        worker = post(f"{base}/Workers", FriendlyName="Alice", ActivitySid=available["sid"])
        task = post(f"{base}/Tasks", Attributes='{"language": "en"}')
        until_s = time.monotonic() + 15
        while not (offers := listed(f"{base}/Tasks/{task}/Reservations", "reservations")):
            assert time.monotonic() < until_s, "the task was offered to nobody"
        return {
            "AC": daemon.account_sid,
            "WS": workspace,
            "WA": available["sid"],
            "WK": worker,
            "WT": task,
            "WR": offers[0]["sid"],
            "WQ": listed(f"{base}/TaskQueues", "task_queues")[0]["sid"],
            "WW": listed(f"{base}/Workflows", "workflows")[0]["sid"],
            "TC": listed(f"{base}/TaskChannels", "channels")[0]["sid"],
            "EV": listed(f"{base}/Events", "events")[0]["sid"],
            "SK": post(f"/2010-04-01/Accounts/{daemon.account_sid}/Keys.json", FriendlyName="Made up"),
        }


def main() -> int:
    """Start a daemon with a database of its own, run, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--examples", type=int, default=1_000, help="requests per operation and phase")
    parser.add_argument("--minutes", type=float, default=20.0, help="when to stop")
    asked = parser.parse_args()
    directory = make_open_directory()
    try:
        with DaemonProcess(directory) as daemon:
            seconds = int(asked.minutes * 60)
            outcome = fuzz(daemon, seed=asked.seed, examples=asked.examples, seconds=seconds)
            failed = list(daemon.events("request.failed"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write(outcome.report)
    sys.stdout.write(f"\n{outcome.cases} requests, {len(failed)} errors logged by the daemon\n")
    return 0 if outcome.passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
