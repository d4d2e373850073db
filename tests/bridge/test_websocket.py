"""The websocket: who is let in, what comes first, what keeps it open, what closes it."""

import asyncio
import time
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from tests.auth.support import capability, now_s, sign
from tests.bridge.support import Desk, eventually

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

LIFETIME_MS_MAX = 2**31 - 1


async def refused(desk: Desk, token: str, **query: str) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await desk.knock(token, **query)
    return caught.value.status


async def test_the_first_message_is_init_with_what_the_token_says(desk: Desk) -> None:
    client = await desk.knock(desk.token("alice"))
    frame = await client.read()
    assert frame["event_type"] == "init"
    payload = frame["payload"]
    lifetime_ms = payload.pop("token_lifetime")
    assert payload == {
        "channel_id": desk.workers["alice"],
        "account_sid": desk.daemon.account_sid,
        "workspace_sid": desk.sid,
    }
    assert 3_500_000 < lifetime_ms <= 3_600_000
    assert await client.quiet() == []


async def test_the_lifetime_told_fits_the_timer_of_a_browser(desk: Desk) -> None:
    client = await desk.knock(desk.token("alice", exp=now_s() + 10 * 365 * 86_400))
    assert (await client.read())["payload"]["token_lifetime"] == LIFETIME_MS_MAX


async def test_a_token_with_nbf_and_without_iat_is_taken(desk: Desk) -> None:
    await desk.connect(token=desk.token("alice", nbf=now_s()), closeExistingSessions="true")


async def test_silence_is_broken_by_blank_text(desk: Desk) -> None:
    client = await desk.connect()
    began_s = time.monotonic()
    for _ in range(3):
        await client.heartbeat()
    assert time.monotonic() - began_s < 3.0


@pytest.mark.parametrize("claims", [{"exp": 1}, {"exp": None}, {"nbf": now_s() + 3_600}, {"grants": {}}])
async def test_a_token_that_does_not_hold_is_refused(desk: Desk, claims: dict[str, Any]) -> None:
    assert await refused(desk, desk.token("alice", **claims)) == 401


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "ey.ey.ey", "x" * 9_000])
async def test_what_is_no_token_is_refused(desk: Desk, token: str) -> None:
    assert await refused(desk, token) == 401


async def test_a_forged_token_is_refused(desk: Desk) -> None:
    assert await refused(desk, desk.token("alice")[:-4] + "AAAA") == 401


async def test_a_capability_token_is_refused(desk: Desk) -> None:
    account = desk.daemon.account_sid
    assert await refused(desk, sign(capability(account), desk.daemon.auth_token)) == 403


async def test_a_token_without_a_worker_is_refused(desk: Desk) -> None:
    assert await refused(desk, desk.token("nobody", "admin")) == 403


async def test_a_worker_that_does_not_exist_is_refused(desk: Desk) -> None:
    token = desk.token("alice")
    await desk.rest("DELETE", f"{desk.path}/Workers/{desk.workers['alice']}")
    assert await refused(desk, token) == 403


async def test_another_workspace_is_refused(desk: Desk) -> None:
    desk.sid = "WS" + "0" * 32
    assert await refused(desk, desk.token("alice")) == 403


async def test_a_request_that_asks_for_no_upgrade_is_400(desk: Desk) -> None:
    url = f"{desk.daemon.url}/v1/wschannels"
    async with desk.session.get(url, params={"token": desk.token("alice")}) as response:
        assert response.status == 400
    async with desk.session.get(url) as response:
        assert response.status == 401


async def test_more_sockets_of_a_worker_than_the_limit_are_refused(desk: Desk) -> None:
    clients = [await desk.connect() for _ in range(5)]
    assert await refused(desk, desk.token("alice")) == 429
    await clients[0].ws.close()
    await eventually("there is room again", lambda: connects(desk))


async def connects(desk: Desk) -> bool:
    try:
        await desk.connect()
    except aiohttp.WSServerHandshakeError:
        return False
    return True


async def test_what_a_client_says_is_thrown_away(desk: Desk) -> None:
    client = await desk.connect()
    for message in ("", "{}", "[" * 1_000):
        await client.ws.send_str(message)
    await client.ws.send_bytes(b"\0\xff")
    await client.heartbeat()


async def test_a_client_that_says_too_much_at_once_is_closed_and_nobody_else(desk: Desk) -> None:
    other, client = await desk.connect("bob"), await desk.connect()
    await client.ws.send_str("x" * 100_000)
    assert (await client.closed())[0] == 1009
    await other.heartbeat()


async def test_a_client_that_floods_is_closed_and_nobody_else(desk: Desk) -> None:
    other, client = await desk.connect("bob"), await desk.connect()
    with suppress(ConnectionError):
        for _ in range(150):
            await client.ws.send_str("x")
    assert await client.closed() == (1008, "Too many messages")
    await other.heartbeat()


async def test_a_socket_is_closed_after_its_token_has_expired(desk: Desk) -> None:
    client = await desk.connect(token=desk.token("alice", exp=now_s() + 2))
    assert await client.closed() == (1008, "Token expired")


async def test_a_newer_token_in_a_call_prolongs_the_socket(desk: Desk) -> None:
    expires_s = now_s() + 2
    client = await desk.connect(token=desk.token("alice", exp=expires_s))
    assert (await desk.call("GET", desk.wk("alice"))).status == 200
    while time.time() < expires_s + 1:
        await client.heartbeat()


async def test_a_socket_is_closed_when_its_key_is_revoked(desk: Desk) -> None:
    client = await desk.connect()
    account = f"/2010-04-01/Accounts/{desk.daemon.account_sid}"
    await desk.rest("DELETE", f"{account}/Keys/{desk.key['sid']}.json")
    assert await client.closed() == (1008, "Token revoked")


async def test_a_socket_is_closed_when_its_worker_is_deleted(desk: Desk) -> None:
    client, other = await desk.connect(), await desk.connect("bob")
    await desk.rest("DELETE", f"{desk.path}/Workers/{desk.workers['alice']}")
    assert (await client.closed())[1] == "The worker was deleted"
    await other.heartbeat()


async def test_all_sockets_are_closed_when_the_workspace_is_deleted(desk: Desk) -> None:
    clients = [await desk.connect(name) for name in ("alice", "bob")]
    await desk.rest("DELETE", desk.path)
    for client in clients:
        assert (await client.closed())[1] == "The worker was deleted"


async def test_existing_sessions_are_closed_for_a_newer_token_only(desk: Desk) -> None:
    first = await desk.connect()
    second = await desk.connect(token=desk.token("alice", iat=now_s() - 60), closeExistingSessions="true")
    assert await first.quiet() == []
    await desk.connect(token=desk.token("alice", iat=now_s() + 2), closeExistingSessions="true")
    for client in (first, second):
        assert await client.closed() == (1000, "Closed by a newer session")


async def test_a_reader_that_is_too_slow_is_cut_off_and_nobody_else(desk: Desk) -> None:
    slow, other = await desk.connect(), await desk.connect("bob")
    transport = slow.ws._response.connection.transport  # the client's side stops to read
    transport.pause_reading()
    attributes = {"Attributes": {"text": "x" * 4_000}}
    token = desk.token("alice")
    async with asyncio.timeout(60):
        while "slow" not in await ended_sockets(desk):
            calls = [desk.call("POST", desk.wk("alice"), attributes, token=token) for _ in range(50)]
            assert {answer.status for answer in await asyncio.gather(*calls)} == {200}
    await other.heartbeat()


async def ended_sockets(desk: Desk) -> set[str]:
    async with desk.session.get(f"{desk.daemon.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    counted = (line for line in lines if line.startswith("pointsman_bridge_sockets_ended_total{"))
    return {line.split('"')[1] for line in counted if not line.endswith(" 0.0")}
