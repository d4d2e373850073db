"""Several publishers behind one: all are told, in order, whatever one of them does."""

from structlog.testing import capture_logs

from engine.routing.effects import AssignmentCallback, Changes
from engine.routing.entities import Workspace
from engine.runtime.publishers import Publishers
from tests.callbacks.receiver import a_workspace
from tests.runtime.support import Recorder


class Faulty:
    def committed(self, _workspace: Workspace, _changes: Changes) -> None:
        raise RuntimeError("one")

    def recovered(self, _workspace: Workspace, _callbacks: list[AssignmentCallback]) -> None:
        raise RuntimeError("two")

    def released(self, _workspace_sid: str) -> None:
        raise RuntimeError("three")


def test_the_fault_of_a_publisher_is_logged_and_reaches_nobody_else() -> None:
    recorder = Recorder()
    publishers = Publishers(Faulty(), recorder)
    workspace = a_workspace()
    with capture_logs() as log:
        publishers.recovered(workspace, [])
        publishers.committed(workspace, Changes())
        publishers.released(workspace.sid)
    assert (recorder.loads, recorder.releases) == ([workspace.sid], [workspace.sid])
    assert [(line["event"], line["publisher"]) for line in log] == [("publisher.failed", "Faulty")] * 3
