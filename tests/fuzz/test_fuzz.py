"""Whatever is sent, answers are those that the OpenAPI document tells of."""

import sys

import pytest

from tests.fuzz.run import fuzz
from tests.support.daemon import DaemonProcess

SEED = 20_261_122
EXAMPLES = 5
SECONDS = 30


def test_made_up_requests_get_answers_as_described(
    daemon: DaemonProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = fuzz(daemon, seed=SEED, examples=EXAMPLES, seconds=SECONDS)
    with capsys.disabled():
        sys.stdout.write(f"\n{outcome.cases} made-up requests\n")
    assert outcome.passed, outcome.report
    assert outcome.cases > 0
    assert list(daemon.events("request.failed")) == []
