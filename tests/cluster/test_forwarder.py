"""When a request is sent again, when it must not be, and how long anybody waits."""

import asyncio
import time

import pytest

from engine.cluster.ports import Peer
from engine.errors import NotServing, Unavailable
from tests.cluster.scripted import NOT_SERVING, WS, ScriptedPeer, answer, world
from tests.runtime.support import until


async def test_connections_are_kept() -> None:
    async with world() as here:
        peer = await here.peer(answer("1"))
        assert [await here.send() for _ in range(3)] == [b"1"] * 3
        assert peer.connections == 1


async def test_a_node_that_does_not_serve_it_is_asked_again_until_it_does() -> None:
    async with world() as here:
        peer = await here.peer(NOT_SERVING, NOT_SERVING, answer("1"))
        assert await here.send() == b"1"
        assert len(peer.requests) == 3
        assert here.directory.looks == 2


async def test_the_next_owner_is_asked_as_soon_as_it_is_known() -> None:
    async with world() as here:
        second = await here.peer(answer("2"), name="second")
        found = here.directory.owner
        await here.peer(NOT_SERVING, name="first")
        here.directory.next = [found]
        assert await here.send() == b"2"
        assert len(second.requests) == 1


async def test_nobody_at_the_address_is_tried_again() -> None:
    async with world() as here:
        gone = await here.peer(answer("1"))
        await gone.stop()
        sending = asyncio.create_task(here.send())
        await until(lambda: here.directory.looks > 1)
        await gone.start(int(gone.address.rpartition(":")[2]))
        assert await sending == b"1"


async def test_a_request_waits_for_an_owner() -> None:
    async with world() as here:
        sending = asyncio.create_task(here.send())
        await until(lambda: here.directory.looks > 0)
        await here.peer(answer("1"))
        assert await sending == b"1"


async def test_a_request_waits_for_this_node_to_serve_it() -> None:
    async with world() as here:
        sending = asyncio.create_task(here.send())
        await until(lambda: here.directory.looks > 0)
        here.forwarder.serves = lambda sid: sid == WS
        here.forwarder.recovered(None, [])
        assert await sending is None


async def test_nobody_waits_longer_than_its_patience() -> None:
    async with world() as here:
        began_s = time.monotonic()
        with pytest.raises(NotServing, match="no node serves it"):
            await here.send(patience_s=0.2)
        assert time.monotonic() - began_s < 2.0
        await here.peer(NOT_SERVING)
        with pytest.raises(NotServing, match="does not serve it any more"):
            await here.send(patience_s=0.2)


async def test_a_request_whose_outcome_is_unknown_is_not_sent_again() -> None:
    async with world() as here:
        peer = await here.peer(None, answer("1"))
        with pytest.raises(Unavailable, match="unknown whether the request was carried out") as caught:
            await here.send()
        assert not isinstance(caught.value, NotServing)
        assert len(peer.requests) == 1


async def test_a_repeatable_one_is() -> None:
    async with world() as here:
        peer = await here.peer(None, answer("1"))
        assert await here.send(repeatable=True) == b"1"
        assert len(peer.requests) == 2


async def test_a_repeatable_one_has_patience_again_after_a_node_that_hung() -> None:
    async with world(forward_patience_s=5.0) as here:
        await here.peer(asyncio.Event(), name="stopped")
        sending = asyncio.create_task(here.send(repeatable=True, patience_s=0.0))
        await here.scripted[0].asked.wait()
        here.directory.say(None)
        here.scripted[0].cut()
        await until(lambda: here.directory.looks > 0)
        await here.peer(answer("2"), name="next")
        assert await sending == b"2"


async def test_an_unknown_outcome_stays_unknown_when_repeating_does_not_help() -> None:
    async with world(forward_patience_s=0.2) as here:
        await here.peer(None, NOT_SERVING)
        with pytest.raises(Unavailable, match="unknown whether") as caught:
            await here.send(repeatable=True, patience_s=0.2)
        assert not isinstance(caught.value, NotServing)


async def test_a_connection_that_the_peer_has_closed_is_not_used() -> None:
    async with world() as here:
        peer = await here.peer(answer("1", "200 OK", "Connection: close"))
        assert [await here.send() for _ in range(2)] == [b"1"] * 2
        assert peer.connections == 2


async def test_a_peer_that_comes_back_at_another_address_is_found_there() -> None:
    async with world() as here:
        await here.peer(answer("1"))
        assert await here.send() == b"1"
        await here.peer(answer("2"))
        assert await here.send() == b"2"


async def test_a_peer_that_hangs_holds_up_only_what_is_meant_for_it() -> None:
    async with world(connections_per_peer_max=2, forwards_waiting_max=3) as here:
        released = asyncio.Event()
        hanging = await here.peer(released)
        sending = [asyncio.create_task(here.send(patience_s=0.5)) for _ in range(5)]
        await until(lambda: len(hanging.requests) == 2)
        with pytest.raises(NotServing, match="too many requests wait"):
            await here.send(patience_s=0.1)
        for waiting in sending[2:]:
            with pytest.raises(NotServing, match="did not take the request in time"):
                await waiting
        await here.peer(answer("1"), name="quick")
        assert await here.send() == b"1"
        released.set()
        assert await asyncio.gather(*sending[:2]) == [b"{}"] * 2


async def test_one_that_waits_gets_the_connection_that_another_leaves() -> None:
    async with world(connections_per_peer_max=1) as here:
        released = asyncio.Event()
        peer = await here.peer(released, answer("1"))
        first = asyncio.create_task(here.send())
        await peer.asked.wait()
        others = [asyncio.create_task(here.send()) for _ in range(3)]
        gives_up = others.pop(0)
        await asyncio.sleep(0)
        gives_up.cancel()
        released.set()
        assert await asyncio.gather(first, *others) == [b"{}", b"1", b"1"]
        assert peer.connections == 1


async def test_a_request_at_a_node_that_has_lost_the_workspace_is_given_up() -> None:
    async with world() as here:
        await here.peer(asyncio.Event(), name="stopped")
        sending = asyncio.create_task(here.send(repeatable=True))
        await here.scripted[0].asked.wait()
        await here.peer(answer("2"), name="next")
        here.peers.sweep(time.monotonic() + 1.5)
        assert await sending == b"2"


async def test_an_answer_that_takes_too_long_is_given_up() -> None:
    async with world(forward_timeout_s=0.1) as here:
        await here.peer(asyncio.Event())
        with pytest.raises(Unavailable, match="did not answer in time"):
            await here.send()


async def test_idle_connections_are_closed() -> None:
    async with world(forward_idle_s=5.0) as here:
        peer = await here.peer(answer("1"))
        await here.send()
        here.peers.sweep(time.monotonic() + 6.0)
        await here.send()
        assert peer.connections == 2


@pytest.mark.parametrize(
    "nonsense",
    [b"what?\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nx\r\n\r\n"],
)
async def test_an_answer_that_is_not_understood_is_no_answer(nonsense: bytes) -> None:
    async with world() as here:
        await here.peer(nonsense)
        with pytest.raises(Unavailable, match="its answer is not understood"):
            await here.send()


async def test_an_answer_in_pieces_is_put_together() -> None:
    async with world() as here:
        scripted = ScriptedPeer([answer("0123456789")])
        writes = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"A=1")
            for at in range(0, len(scripted.answers[0]), 7):
                writer.write(scripted.answers[0][at : at + 7])
                await writer.drain()
                writes.append(at)
                await asyncio.sleep(0)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        here.directory.say(Peer("other", f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        assert await here.send() == b"0123456789"
        assert len(writes) > 3
        server.close()
