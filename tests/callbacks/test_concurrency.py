"""Many callbacks at a time: limits, isolation of dead receivers, reuse of connections."""

import asyncio
import time

import pytest
from aiohttp import web

from engine.callbacks.limits import CallbackLimits
from engine.routing.commands import AssignmentInstructed
from tests.callbacks.receiver import (
    Received,
    Workspaces,
    a_callback,
    a_workspace,
    changes_with,
    dispatching,
    raw_server,
    read_request,
    serving,
)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_slow_answers_overlap() -> None:
    workspaces = Workspaces()

    async def slow(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.2)
        return web.json_response({"instruction": "accept"})

    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        receiver.reply = slow
        callbacks = [a_callback(receiver.base, number=number) for number in range(200)]
        started_s = time.monotonic()
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        commands = await workspaces.has(200)
    assert time.monotonic() - started_s < 3
    assert all(isinstance(command, AssignmentInstructed) for command in commands)


async def test_500_callbacks_of_a_second_each_finish_in_a_few_seconds() -> None:
    workspaces = Workspaces()

    async def slow(_: Received) -> web.StreamResponse:
        await asyncio.sleep(1)
        return web.json_response({"instruction": "accept"})

    async with serving() as receiver, dispatching(workspaces, CallbackLimits()) as dispatcher:
        receiver.reply = slow
        callbacks = [a_callback(receiver.base, number=number) for number in range(500)]
        started_s = time.monotonic()
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        async with asyncio.timeout(10):
            while len(workspaces.commands) < 500:
                await workspaces.has(len(workspaces.commands) + 1)
    assert time.monotonic() - started_s < 6
    assert {command.reservation_sid for _, command in workspaces.commands} == {
        callback.reservation_sid for callback in callbacks
    }


@pytest.mark.parametrize(
    "limits",
    [CallbackLimits(concurrent_max=7), CallbackLimits(concurrent_per_host_max=7)],
    ids=["all", "host"],
)
async def test_no_more_callbacks_than_permitted_are_under_way(limits: CallbackLimits) -> None:
    workspaces = Workspaces()

    async def reply(_: Received) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return web.Response()

    async with serving() as receiver, dispatching(workspaces, limits) as dispatcher:
        receiver.reply = reply
        callbacks = [a_callback(receiver.base, number=number) for number in range(50)]
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        await workspaces.has(50)
    assert receiver.under_way_max == 7


async def test_committing_returns_before_anything_is_sent() -> None:
    workspaces = Workspaces()
    async with serving() as receiver, dispatching(workspaces) as dispatcher:
        callbacks = [a_callback(receiver.base, number=number) for number in range(2000)]
        started_s = time.monotonic()
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        assert time.monotonic() - started_s < 0.2
        assert receiver.received == []


async def test_a_dead_receiver_of_assignments_does_not_delay_others() -> None:
    workspaces = Workspaces()
    limits = CallbackLimits(concurrent_max=20, concurrent_per_host_max=10, assignment_timeout_s=60)
    async with raw_server(_silent) as dead, serving() as alive, dispatching(workspaces, limits) as dispatcher:
        callbacks = [a_callback(dead, number=number) for number in range(100)]
        callbacks += [a_callback(alive.base, number=number) for number in range(100, 200)]
        dispatcher.committed(a_workspace(), changes_with(*callbacks))
        commands = await workspaces.has(100)
    assert len(commands) == 100


async def test_connections_are_reused() -> None:
    workspaces = Workspaces()
    limits = CallbackLimits(concurrent_max=1)
    async with serving() as receiver, dispatching(workspaces, limits) as dispatcher:
        for number in range(20):
            receiver.answers(status=200 if number % 2 else 404, body='{"instruction": "accept"}')
            dispatcher.committed(a_workspace(), changes_with(a_callback(receiver.base, number=number)))
            await workspaces.has(number + 1)
    assert len({request.peer for request in receiver.received}) == 1


async def test_a_kept_connection_that_the_receiver_closed_is_no_failure() -> None:
    """Answer one request per connection, keep it, and reset it when the next one arrives."""
    bodies: list[bytes] = []

    async def one_shot(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append(await read_request(reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1)

    workspaces = Workspaces()
    async with raw_server(one_shot) as base, dispatching(workspaces) as dispatcher:
        for number in range(5):
            dispatcher.committed(a_workspace(), changes_with(a_callback(base, number=number)))
            await workspaces.has(number + 1)
    assert [command for _, command in workspaces.commands] == [
        AssignmentInstructed(f"WR{number:032x}") for number in range(5)
    ]
    assert len(bodies) == 5
