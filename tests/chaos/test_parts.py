"""What `pointsman chaos` rests on: the clock that jumps, the verdict, the order of the faults."""

import subprocess
import sys
from io import StringIO
from itertools import islice
from pathlib import Path
from random import Random

from rich.console import Console

from engine.chaos.audit import Findings
from engine.chaos.clock import ClockFile
from engine.chaos.faults import rounds
from engine.chaos.promises import Pauses
from engine.chaos.report import Outcome, Report

ROOT = Path(__file__).resolve().parents[2]
TELL = """
import sys, time
from pathlib import Path
from engine.chaos.clock import shift
true_ns, steady_s = time.time_ns, time.monotonic()
shift(Path(sys.argv[1]))
from engine.clock import wall_clock_ms
for _ in sys.stdin:
    off_s = [wall_clock_ms() / 1000 - true_ns() / 1e9, time.time() - true_ns() / 1e9]
    print([round(each / 60) for each in off_s], time.monotonic() - steady_s < 600, flush=True)
"""


def test_a_clock_jumps_both_ways_while_a_process_runs_and_its_monotonic_clock_does_not(
    tmp_path: Path,
) -> None:
    clock = ClockFile(tmp_path / "clock")
    command = [sys.executable, "-c", TELL, str(clock.path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for offset_s, minutes in ((0, 0), (3600, 60), (-3600, -60), (0, 0)):
            clock.set(offset_s)
            process.stdin.write("?\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"[{minutes}, {minutes}] True\n"


def verdict(*found: Findings) -> tuple[bool, str]:
    out = StringIO()
    report = Report(Console(file=out, width=200))
    for number, each in enumerate(found):
        report.note(Outcome(f"fault-{number}", times=1), each)
    report.show()
    return report.ok, out.getvalue()


def test_a_fault_answers_for_what_the_audit_before_it_did_not_find() -> None:
    ok, text = verdict(Findings(10), Findings(30, lost=2, problems=["2 completions were lost"]))
    assert not ok
    lines = [line.split() for line in text.splitlines() if line.strip().startswith("fault-")]
    assert [line[:4] for line in lines[-2:]] == [["fault-0", "1", "10", "0"], ["fault-1", "1", "20", "2"]]
    assert "30 acknowledged / 2 lost / 0 assigned twice / 0 capacity breaches" in text


def test_nothing_wrong_is_a_good_verdict() -> None:
    assert verdict(Findings(10), Findings(30))[0]


def test_each_round_has_every_fault_once_and_a_seed_gives_the_same_order() -> None:
    names = ("a", "b", "c", "d")
    drawn = list(islice(rounds(names, Random(4)), 8))
    assert drawn == list(islice(rounds(names, Random(4)), 8))
    for number in (0, 1):
        assert sorted(name for of, name in drawn if of == number) == list(names)


def test_a_pause_that_goes_on_counts_and_silence_that_was_asked_for_does_not() -> None:
    pauses = Pauses()
    pauses.acknowledged()
    assert pauses.take() == 0
    pauses.begin()
    going_on_s = pauses.take()
    assert going_on_s > 0
    assert pauses.take() > going_on_s, "it began before the last look"
    pauses.end()
    pauses.take()
    assert pauses.take() == 0
