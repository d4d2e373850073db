"""How receivers are reached: names looked up once for many, addresses tried in turn, certificates by name."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.callbacks.client import CallbackClient
from engine.callbacks.failures import CallbackFailure
from engine.callbacks.limits import CallbackLimits
from tests.callbacks.certificates import certificate_for
from tests.callbacks.receiver import ACCOUNT, PATIENCE_S, TOKEN, Receiver, raw_server, read_request, serving

BOTH = ["127.0.0.1", "127.0.0.2"]


class Names(AbstractResolver):
    """Knows one address after the other; what there is none for raises, `hold` makes it wait."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0
        self.hold = asyncio.Event()
        self.hold.set()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        await self.hold.wait()
        if not self._answers:
            raise OSError("no such host")
        addresses = self._answers.pop(0)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        return


@asynccontextmanager
async def calling(
    names: AbstractResolver | None = None, tls: ssl.SSLContext | None = None, **limits: object
) -> AsyncIterator[CallbackClient]:
    client = CallbackClient(CallbackLimits(**limits), lambda _: TOKEN, names, tls)
    try:
        yield client
    finally:
        await client.close()


async def status(client: CallbackClient, url: str, timeout_s: float = PATIENCE_S) -> int:
    return (await client.post(url, {"a": "1"}, ACCOUNT, timeout_s, body_matters=True)).status


async def failure(client: CallbackClient, url: str, timeout_s: float = PATIENCE_S) -> CallbackFailure:
    with pytest.raises(CallbackFailure) as caught:
        await status(client, url, timeout_s)
    return caught.value


def named(receiver: Receiver) -> str:
    return receiver.base.replace("127.0.0.1", "hook.example")


async def silent(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hang_up(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return


async def test_callbacks_that_begin_together_share_a_look_up() -> None:
    names = Names(["127.0.0.1"])
    async with serving() as receiver, calling(names) as client:
        assert await asyncio.gather(*[status(client, named(receiver)) for _ in range(50)]) == [200] * 50
    assert names.asked == 1


async def test_a_look_up_that_failed_is_made_again() -> None:
    names = Names()
    async with serving() as receiver, calling(names) as client:
        assert (await failure(client, named(receiver))).code == 11210
        assert (await failure(client, named(receiver))).code == 11210
    assert names.asked == 2


async def test_a_host_without_addresses_has_no_name() -> None:
    async with serving() as receiver, calling(Names([])) as client:
        assert (await failure(client, named(receiver))).code == 11210


async def test_the_look_up_counts_as_time_and_who_gave_up_does_not_end_it_for_others() -> None:
    names = Names(["127.0.0.1"])
    names.hold.clear()
    async with serving() as receiver, calling(names) as client:
        patient = asyncio.create_task(status(client, named(receiver)))
        late = await failure(client, named(receiver), 0.1)
        assert (late.code, late.late) == (11205, True)
        names.hold.set()
        assert await patient == 200
    assert names.asked == 1


async def test_a_name_that_moves_to_a_forbidden_address_is_refused_there() -> None:
    """The first answer is permitted, the second is not: each connection is judged by what it is made to."""
    names = Names(["192.0.2.1"], ["169.254.169.254"])
    async with calling(names) as client:
        await failure(client, "http://hook.example:1/", 0.05)
        refused = await failure(client, "http://hook.example:2/")
    assert (refused.code, "169.254.169.254" in refused.reason) == (11205, True)


@pytest.mark.parametrize("others", [["127.0.0.2"], ["::1"], ["::1", "127.0.0.2"]])
async def test_of_several_addresses_the_one_that_answers_is_used(others: list[str]) -> None:
    async with serving() as receiver, calling(Names([*others, "127.0.0.1"])) as client:
        assert await status(client, named(receiver)) == 200


async def test_addresses_take_turns() -> None:
    asked: list[str] = []

    async def reply(request: object) -> web.Response:
        return web.Response(headers={"Connection": "close"})

    async with serving(Receiver(reply=reply)) as first:
        port = int(first.base.rpartition(":")[2])
        async with raw_server(silent, "127.0.0.2", port), calling(Names(BOTH)) as client:
            for _ in range(4):
                try:
                    asked.append(str(await status(client, named(first), 0.2)))
                except CallbackFailure as failed:
                    asked.append(str(failed.code))
    assert asked == ["200", "11200", "200", "11200"]


async def test_an_ipv6_receiver_is_called_by_its_address() -> None:
    async with serving(host="::1") as receiver, calling() as client:
        port = receiver.base.rpartition(":")[2]
        assert await status(client, f"http://[::1]:{port}/cb") == 200
    assert receiver.received[0].headers["Host"] == f"[::1]:{port}"


async def test_a_certificate_is_checked_for_the_name_and_not_for_the_address(tmp_path: Path) -> None:
    with certificate_for("hook.example", tmp_path) as (server, trusting):
        async with serving(tls=server) as receiver, calling(Names(["127.0.0.1"]), trusting) as client:
            assert [await status(client, named(receiver)) for _ in range(3)] == [200] * 3
            assert (await failure(client, receiver.base)).code == 11235
    assert len({request.peer for request in receiver.received}) == 1


async def test_an_address_that_fails_the_handshake_is_not_the_last(tmp_path: Path) -> None:
    """Behind the first address of the name stands somebody who does not speak TLS."""
    with certificate_for("hook.example", tmp_path) as (server, trusting):
        async with serving(tls=server) as receiver:
            port = int(receiver.base.rpartition(":")[2])
            async with (
                raw_server(hang_up, "127.0.0.2", port),
                calling(Names(BOTH[::-1]), trusting) as client,
            ):
                assert await status(client, named(receiver)) == 200


async def test_a_kept_tls_connection_that_was_closed_is_made_anew(tmp_path: Path) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(1)

    with certificate_for("localhost", tmp_path) as (server, trusting):
        async with raw_server(once, tls=server) as base, calling(Names(BOTH[:1]), trusting) as client:
            url = base.replace("http://127.0.0.1", "https://localhost")
            assert [await status(client, url) for _ in range(3)] == [200] * 3


async def test_proxies_of_the_environment_and_cookies_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reply(_: object) -> web.Response:
        return web.Response(headers={"Set-Cookie": "a=b"})

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with serving(Receiver(reply=reply)) as receiver, calling() as client:
        assert [await status(client, receiver.base) for _ in range(2)] == [200, 200]
    assert not [request for request in receiver.received if "Cookie" in request.headers]
    assert {request.headers["Accept-Encoding"] for request in receiver.received} == {"identity"}


async def test_a_receiver_that_says_nothing_to_the_handshake_is_given_up_in_time() -> None:
    async with raw_server(silent) as base, calling() as client:
        late = await failure(client, base.replace("http://", "https://"), 0.2)
    assert (late.code, late.late) == (11205, True)
