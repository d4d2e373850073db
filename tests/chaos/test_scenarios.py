"""The scenarios are played by hand; that they can be started, and say what they lack, is tested here."""

import subprocess
import sys

import pytest

from tests.support.daemon import ROOT

SCENARIOS = ("patroni", "network_cut", "disk_full", "slow_disk")


def played(scenario: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"tests.chaos.{scenario}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_tells_how_it_is_played(scenario: str) -> None:
    told = played(scenario, "--help")
    assert told.returncode == 0
    assert f"python -m tests.chaos.{scenario}" in told.stdout
    assert f"python -m tests.chaos.{scenario}" in (ROOT / "tests" / "chaos" / "README.md").read_text()


@pytest.mark.parametrize("missing", ["Patroni", "etcd"])
def test_what_is_not_installed_is_named(missing: str) -> None:
    given = {
        "Patroni": ("--patroni", "/nowhere/patroni"),
        "etcd": ("--patroni", "sh", "--etcd", "/nowhere/etcd"),
    }
    told = played("patroni", *given[missing])
    assert told.returncode == 1
    assert told.stderr.startswith(f"{missing} is not there: ")
    assert "Traceback" not in told.stderr
