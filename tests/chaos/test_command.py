"""`pointsman chaos` as its user meets it: whole runs, short, on a daemon and a PostgreSQL of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.chaos.faults import FAULTS
from engine.cli import main

ROOT = Path(__file__).resolve().parents[2]


def chaos(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "engine", "chaos", *arguments],
        cwd=ROOT,
        env={name: text for name, text in os.environ.items() if not name.startswith("POINTSMAN_")} | environ,
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )


def line_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr + done.stdout
    [line] = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def test_faults_are_done_audited_and_nothing_is_left_behind(open_directory: Path) -> None:
    done = chaos("--minutes", "0", "--faults", "kill,clock-back", "--json", TMPDIR=str(open_directory))
    report = line_of(done)
    assert report["ok"]
    assert report["database"]["fsync"] == report["database"]["synchronous_commit"] == "on"
    times = {fault["fault"]: fault["times"] for fault in report["faults"]}
    assert times == {"warm-up": 0, "kill": 1, "clock-back": 1, "end": 0}
    total = report["total"]
    assert (total["lost"], total["twice"], total["breaches"], total["problems"]) == (0, 0, 0, [])
    assert total["acknowledged"] > 500
    assert 0 < total["worst_pause_s"] < 60
    assert "0 lost / 0 assigned twice / 0 capacity breaches" in done.stderr
    assert list(open_directory.iterdir()) == []


def test_kills_lose_nothing_of_what_was_acknowledged(open_directory: Path) -> None:
    report = line_of(chaos("--kills", "3", "--seed", "5", "--json", TMPDIR=str(open_directory)))
    assert report["ok"]
    [kills] = [fault for fault in report["faults"] if fault["fault"] == "kills"]
    assert kills["times"] == 3
    assert report["total"]["acknowledged"] > 100
    assert list(open_directory.iterdir()) == []


def test_the_faults_are_listed() -> None:
    done = CliRunner().invoke(main, ["chaos", "--list"])
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(FAULTS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--faults", "kill,earthquake"], "there is no fault 'earthquake'"),
        (["--faults", "kill", "--kills", "3"], "exclude each other"),
        (["--minutes", "-1"], "--minutes"),
        (["--kills", "0"], "--kills"),
        (["--rate", "0"], "--rate"),
        (["--seed", "x"], "--seed"),
    ],
)
def test_what_cannot_be_done_is_told_at_once(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(main, ["chaos", *arguments])
    assert done.exit_code == 2
    assert words in done.stderr
