"""What is refused leaves nothing behind that only the garbage collector could find, which runs seldom."""

import gc
from collections.abc import Iterator

import pytest

from engine.api.accounting import refusal_of
from engine.routing.commands import CreateTask, UpdateReservation, UpdateTask
from engine.routing.states import ReservationStatus, TaskStatus
from engine.runtime.batch import Batch
from engine.runtime.inbox import Envelope
from tests.runtime.support import ACCOUNT, Node
from tests.runtime.test_once import once

GONE = "WR" + "0" * 32


@pytest.fixture
def counted() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def living() -> int:
    return sum(isinstance(each, Batch | Envelope) for each in gc.get_objects())


async def refused(node: Node, workspace: str, command: object, *, with_key: bool = False) -> int:
    try:
        if with_key:
            await node.service.submit_once(ACCOUNT, workspace, command, once(workspace, key=str(command)))
        else:
            await node.submit(workspace, command)
    except Exception as error:
        return refusal_of(error, "POST", "/Tasks").status
    pytest.fail("it was not refused")


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("with_key", [False, True])
async def test_a_refused_command_leaves_no_cycle(node: Node, with_key: bool) -> None:
    workspace = await node.workspace()
    task = await node.task(workspace)
    commands = (
        UpdateTask(task.sid, assignment_status=TaskStatus.COMPLETED),
        UpdateTask("WT" + "0" * 32, priority=1),
        UpdateReservation(GONE, ReservationStatus.ACCEPTED, task_sid=task.sid),
        CreateTask(sid=node.mint("WT"), workflow_sid="WW" + "0" * 32),
    )
    before = living()
    for command in commands * 5:
        assert 400 <= await refused(node, workspace, command, with_key=with_key) < 500
    await node.task(workspace)
    assert living() <= before + 1, "the loop keeps its last batch only"
