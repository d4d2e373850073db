"""Whatever goes wrong, nothing is lost, done twice, early or late: a fixed number of seeds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.simulation import simulate

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(1, 13))
def test_every_rule_holds_in_two_simulated_hours(seed: int) -> None:
    report = simulate(seed, days=0.1)
    assert report.finding is None, "\n".join([*report.last_steps, report.finding or ""])
    assert report.commits > 0


def test_the_same_seed_has_the_same_history_whatever_the_hash_seed() -> None:
    assert len({history("1"), history("2")}) == 1


def test_another_seed_has_another_history() -> None:
    assert simulate(1, days=0.05).history != simulate(2, days=0.05).history


def history(hash_seed: str) -> str:
    """Run a seed in a process of its own and return what it prints as its history."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", "--seed", "14", "--days", "0.15"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()[-1]
