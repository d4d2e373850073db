"""A request with an idempotency key is carried out once, whatever happens in between."""

import asyncio

import pytest

from engine.errors import KeyReused, Unavailable
from engine.routing.commands import CreateTask
from engine.routing.errors import Refused
from engine.runtime.once import KEPT_MS, Once
from tests.runtime.support import ACCOUNT, Fault, Node


def once(workspace: str, fingerprint: bytes = b"1", key: str = "key") -> Once:
    def render(outcomes) -> bytes | None:
        found = [outcome.result.sid for outcome in outcomes if outcome.error is None]
        return ",".join(found).encode() or None

    return Once(workspace, "/path", key, fingerprint, render)


async def create(node: Node, workspace: str, given: Once | None = None, **fields: object) -> bytes:
    command = CreateTask(sid=node.mint("WT"), **fields)
    return await node.service.submit_once(ACCOUNT, workspace, command, given or once(workspace))


async def tasks(node: Node, workspace: str) -> list[str]:
    return sorted(task.sid for task in (await node.store.load(workspace)).tasks)


async def test_a_commit_whose_answer_was_lost_is_found_by_the_repetition(node: Node) -> None:
    workspace = await node.workspace()
    node.store.faults = [Fault.WRITTEN_THEN_ERROR]
    with pytest.raises(Unavailable):
        await create(node, workspace)
    await node.serving(workspace)
    answer = await create(node, workspace)
    assert [answer.decode()] == await tasks(node, workspace)


async def test_a_commit_that_was_not_written_leaves_the_key_free(node: Node) -> None:
    workspace = await node.workspace()
    node.store.faults = [Fault.NOT_WRITTEN]
    with pytest.raises(Unavailable):
        await create(node, workspace)
    await node.serving(workspace)
    answer = await create(node, workspace)
    assert [answer.decode()] == await tasks(node, workspace)


async def test_the_key_survives_the_process(node: Node, make_node) -> None:
    workspace = await node.workspace()
    answer = await create(node, workspace)
    await node.service.stop()
    other = await make_node("another")
    await other.serving(workspace)
    assert await create(other, workspace) == answer
    assert [answer.decode()] == await tasks(other, workspace)


async def test_a_repetition_waits_even_for_an_attempt_whose_client_gave_up(make_node) -> None:
    node = await make_node(request_timeout_s=0.3, commit_timeout_s=1.5)
    workspace = await node.workspace()
    node.store.hold()
    with pytest.raises(Unavailable):
        await create(node, workspace)
    repeated = asyncio.create_task(create(node, workspace))
    await asyncio.sleep(0)
    node.store.gate.set()
    answer = await repeated
    assert [answer.decode()] == await tasks(node, workspace)


async def test_concurrent_repetitions_get_one_answer(node: Node) -> None:
    workspace = await node.workspace()
    answers = await asyncio.gather(*(create(node, workspace) for _ in range(20)))
    assert {answer.decode() for answer in answers} == set(await tasks(node, workspace))


async def test_another_request_with_the_key_is_refused_and_a_refused_one_keeps_nothing(node: Node) -> None:
    workspace = await node.workspace()
    with pytest.raises(Refused):
        await create(node, workspace, workflow_sid="WW" + "0" * 32)
    await create(node, workspace)
    with pytest.raises(KeyReused):
        await create(node, workspace, once(workspace, b"2"))
    assert len(await tasks(node, workspace)) == 1


async def test_a_key_is_free_again_after_its_time(node: Node) -> None:
    workspace = await node.workspace()
    first = await create(node, workspace)
    node.clock.ahead_ms = KEPT_MS + 1_000
    second = await create(node, workspace, once(workspace, b"2"))
    assert second != first
    assert await create(node, workspace, once(workspace, b"2")) == second


async def test_what_a_failure_left_out_of_many_is_made_by_the_repetition(make_node) -> None:
    node = await make_node(batch_commands_max=5)
    workspace = await node.workspace()
    await node.task(workspace)
    node.store.faults = [None, Fault.WRITTEN_THEN_ERROR]

    async def attempt() -> tuple[list[bytes], dict]:
        def remaining(parts: list[bytes]) -> dict[int, CreateTask]:
            done = sum(len(part.split(b",")) for part in parts)
            return {index: CreateTask(sid=node.mint("WT")) for index in range(done, 15)}

        return await node.service.submit_all_once(ACCOUNT, workspace, remaining, once(workspace))

    known, outcomes = await attempt()
    assert known == []
    assert sum(isinstance(outcome, Unavailable) for outcome in outcomes.values()) == 10
    await node.serving(workspace)
    known, outcomes = await attempt()
    assert sorted(outcomes) == list(range(10, 15))
    known, outcomes = await attempt()
    assert outcomes == {}
    assert len(await tasks(node, workspace)) == 16
    made = {sid for part in known for sid in part.decode().split(",")}
    assert made < set(await tasks(node, workspace))


async def test_a_workspace_is_made_once_though_its_first_answer_was_lost(node: Node, monkeypatch) -> None:
    create_row = node.store.create_workspace

    async def written_then_error(*arguments: object) -> None:
        await create_row(*arguments)
        raise Unavailable("the connection was lost")

    monkeypatch.setattr(node.store, "create_workspace", written_then_error)
    options = {"friendly_name": "Support"}
    with pytest.raises(Unavailable):
        await node.service.create_workspace_once(ACCOUNT, once(ACCOUNT), **options)
    monkeypatch.setattr(node.store, "create_workspace", create_row)
    answer = await node.service.create_workspace_once(ACCOUNT, once(ACCOUNT), **options)
    assert await node.store.workspace_sids() == [answer.decode()]
