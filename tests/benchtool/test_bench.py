"""Whole benchmarks, short: the command against a daemon of its own, and against one that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine.bench.audit import audit
from engine.bench.errors import BenchError
from engine.bench.http_client import Client
from engine.bench.job import Ledger
from engine.bench.run import Options, run
from engine.bench.scenario_file import parse_scenario
from engine.bench.world import load_backlog, set_up
from tests.support.daemon import DaemonProcess

ROOT = Path(__file__).resolve().parents[2]

SCENARIO = """
name: small
description: </script><b>small</b>
channels: [talk]
queues:
  - {name: "skill {n}", count: 2, target_workers: 'skill == {n}'}
  - {name: nobody, target_workers: 'skill == 99'}
workers:
  - {name: "worker {n}", count: 4, spread: 2, attributes: {skill: "{n}"}, capacity: {default: 10, talk: 5}}
workflow:
  filters:
    - {name: "skill {n}", each: 2, expression: 'skill == {n}', targets: [{queue: "skill {n}", priority: 3}]}
  default_queue: nobody
tasks:
  - {variants: 2, attributes: {skill: "{n}"}}
  - {variants: 2, attributes: {skill: "{n}"}, channel: talk}
backlog_task: {attributes: {skill: 99}}
answers: {think_ms: {min: 1, max: 3}, work_ms: {min: 1, max: 3}, reject: 0.05, accept_over_api: 0.5}
phases:
  - {name: creates, kind: creates, concurrency: 8, warmup_s: 0.2, seconds: 0.6}
  - {name: steady, rate_per_s: 40, warmup_s: 0.2, seconds: 1, backlog: 25}
"""
LATENCY = {"count", "mean", "p50", "p90", "p99", "p999", "max"}


def bench(directory: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    scenario = directory / "small.yaml"
    scenario.write_text(SCENARIO)
    return subprocess.run(
        [sys.executable, "-m", "engine", "bench", str(scenario), *arguments],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith("POINTSMAN_")} | environ,
        capture_output=True,
        check=False,
        text=True,
        timeout=100,
    )


def line_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr + done.stdout
    [line] = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def test_a_daemon_of_its_own_is_measured_compared_audited_and_removed(tmp_path: Path) -> None:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    scratch.chmod(0o711)
    html = tmp_path / "report.html"
    done = bench(
        tmp_path,
        *("--local", "--processes", "2", "--against", "hello", "--against", "sql", "--html", str(html)),
        TMPDIR=str(scratch),
    )
    report = line_of(done)
    assert list(scratch.iterdir()) == []
    assert report["pointsman_bench"] == 1
    assert report["database"]["fsync"] == "on"
    assert report["database"]["synchronous_commit"] == "on"
    creates, steady = report["phases"]
    assert creates["created_per_s"] > 0
    assert set(creates["latency_ms"]) == {"create"}
    assert steady["completed"] > 0
    assert steady["unfinished"] == 0
    assert set(steady["latency_ms"]) >= {"create", "create_to_callback", "complete", "cycle", "send_lag"}
    assert set(steady["latency_ms"]["create_to_callback"]) == LATENCY
    for phase in report["phases"]:
        assert phase["errors"] == {}
        assert phase["audit"]["ok"], phase["audit"]
        assert phase["audit"]["sids"] == "same"
        assert phase["audit"]["acknowledged"] == phase["audit"]["found"] > 0
        assert set(phase["cpu_s"]) == {"daemon", "postgres", "generator"}
        assert "points" not in phase
    assert steady["audit"]["completed_found"] == steady["audit"]["acknowledged"] - 25
    assert [peer["name"] for peer in report["peers"]] == ["hello", "sql"]
    assert report["peers"][1]["cycles_per_s"] > 0
    assert 0 < report["ratios"]["creates_over_hello"] < 5
    assert "Audit:" in done.stderr
    _is_self_contained(html.read_text())


def _is_self_contained(page: str) -> None:
    assert "/*REPORT*/" not in page
    assert '"points": [{' in page
    assert "\\u003c/script>\\u003cb>small" in page, "texts of the report cannot end the script"
    for outside in ("src=", "href=", "@import", "url(", "fetch("):
        assert outside not in page


def test_a_running_daemon_is_measured_and_left_as_it_was(daemon: DaemonProcess, tmp_path: Path) -> None:
    line = tmp_path / "line.json"
    done = bench(
        tmp_path,
        *("--url", daemon.url, "--phase", "steady", "--backlog", "0", "--seconds", "0.5", "--warmup", "0"),
        *("--json", str(line)),
        POINTSMAN_ACCOUNT_SID=daemon.account_sid,
        POINTSMAN_AUTH_TOKEN=daemon.auth_token,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    report = json.loads(line.read_text())
    assert report["target"] == daemon.url
    assert report["database"] is None
    assert [phase["name"] for phase in report["phases"]] == ["steady"]
    assert report["phases"][0]["cpu_s"]["postgres"] is None
    assert report["phases"][0]["cpu_s"]["daemon"] >= 0, "told by /metrics"


ELSEWHERE = {"url": "http://127.0.0.1:9", "account_sid": "AC1", "auth_token": "t"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give --local, or the --url"),
        ({"url": "http://127.0.0.1:9"}, "give --account-sid and --auth-token"),
        (ELSEWHERE, "does not answer"),
        (ELSEWHERE | {"url": "nonsense"}, "nonsense: an address like"),
        (ELSEWHERE | {"against": ("sql",)}, "need the database of --local"),
        (ELSEWHERE | {"host": "192.0.2.1"}, "callbacks cannot be received: .* --host"),
    ],
)
def test_what_cannot_be_run_is_told(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        run(Options("cycles", local=False, **options))


def test_on_the_command_line_it_is_one_line(tmp_path: Path) -> None:
    done = bench(tmp_path, "--local", "--phase", "other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pointsman: --phase other: the scenario has creates, steady\n"


async def test_the_audit_finds_a_lost_task_a_stranger_and_a_double_assignment(daemon: DaemonProcess) -> None:
    scenario = parse_scenario(SCENARIO, "small.yaml")
    async with Client(daemon.url, daemon.account_sid, daemon.auth_token) as client:
        world = await set_up(client, scenario, ["http://127.0.0.1:9/"], _ignore, with_workers=False)
        ledger = await load_backlog(client, world, scenario, 3, _ignore)
        assert (await audit(client, world, ledger, cycles=True, step=_ignore)).ok
        lost = Ledger()
        lost.add(ledger)
        lost.create("WT" + "a" * 32)
        found = await audit(client, world, lost, cycles=True, step=_ignore)
        assert not found.ok
        assert "1 acknowledged tasks are missing" in found.problems
        other = Ledger(created=3, created_sum=ledger.created_sum + 1, assigned_twice=1)
        found = await audit(client, world, other, cycles=True, step=_ignore)
        assert (found.ok, found.sids) == (False, "different")
        assert "1 tasks were assigned twice" in found.problems
        unsure = Ledger(created=2, unknown=1)
        assert (await audit(client, world, unsure, cycles=True, step=_ignore)).ok
        await client.delete(world.path)


def _ignore(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""
