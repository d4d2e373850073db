"""Who may follow a workspace, and for how long: as long as the credentials hold."""

import pytest

from tests.auth.support import (
    ACCESS_HEADER,
    HOSTED,
    access,
    basic,
    bearer,
    capability,
    now_s,
    policy,
    sign,
)
from tests.stream.support import Client
from tests.support.daemon import DaemonProcess

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


async def key_of(client: Client, daemon: DaemonProcess) -> tuple[str, str]:
    path = f"{daemon.url}/2010-04-01/Accounts/{daemon.account_sid}/Keys.json"
    async with client.session.post(path, data={"FriendlyName": "reader"}) as answer:
        made = await answer.json()
    return made["sid"], made["secret"]


async def status(client: Client, base: str, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    url = f"{client.daemon.url}/v1{base}/Events/Stream"
    async with client.session.get(
        url, headers=headers, skip_auto_headers=["Authorization"] if authorization is None else []
    ) as answer:
        return answer.status


async def test_keys_and_tokens_that_cover_it_follow(client: Client, base: str, daemon: DaemonProcess) -> None:
    key, secret = await key_of(client, daemon)
    workspace_sid = base.rpartition("/")[2]
    worker_sid = (await client.post(f"{base}/Workers", FriendlyName="Bob"))["sid"]

    def role(name: str) -> str:
        claims = access(key, daemon.account_sid, workspace_sid, name, worker_sid)
        return bearer(sign(claims, secret, ACCESS_HEADER))

    def policies(*allowed: dict[str, object]) -> str:
        return bearer(sign(capability(daemon.account_sid, *allowed), daemon.auth_token))

    stream = f"{HOSTED}/{workspace_sid}/Events/Stream"
    expected = {
        basic(key, secret): 200,
        basic(key, "wrong"): 401,
        basic(daemon.account_sid, "wrong"): 401,
        "Bearer a.b.c": 401,
        role("admin"): 200,
        role("supervisor"): 200,
        role("worker"): 403,
        policies(policy(stream)): 200,
        policies(policy(f"{HOSTED}/{workspace_sid}/Events")): 403,
        policies(policy(f"{HOSTED}/{workspace_sid}/Tasks/**")): 403,
        policies(policy(stream, allow=False), policy(f"{HOSTED}/{workspace_sid}/**")): 403,
    }
    found = {each: await status(client, base, each) for each in expected}
    assert list(found.values()) == list(expected.values())


async def test_credentials_in_the_url_do_not_count(client: Client, base: str, daemon: DaemonProcess) -> None:
    key, secret = await key_of(client, daemon)
    claims = access(key, daemon.account_sid, base.rpartition("/")[2], "admin")
    token = sign(claims, secret, ACCESS_HEADER)
    url = f"{daemon.url}/v1{base}/Events/Stream?AccessToken={token}&token={token}"
    async with client.session.get(url, headers={"Authorization": ""}) as answer:
        assert answer.status == 401


async def test_another_accounts_workspace_is_not_there(client: Client, base: str) -> None:
    assert await status(client, f"/Workspaces/WS{'0' * 32}", None) == 404


async def test_a_stream_ends_when_its_token_expires(client: Client, base: str, daemon: DaemonProcess) -> None:
    key, secret = await key_of(client, daemon)
    claims = access(key, daemon.account_sid, base.rpartition("/")[2], "admin", exp=now_s() + 2)
    headers = {"Authorization": bearer(sign(claims, secret, ACCESS_HEADER))}
    async with client.stream(base, headers=headers) as stream:
        assert (await stream.event()).document == {"reason": "credentials"}
        assert await stream.line() is None


async def test_a_stream_ends_when_its_key_is_revoked(
    client: Client, base: str, daemon: DaemonProcess
) -> None:
    key, secret = await key_of(client, daemon)
    path = f"{daemon.url}/2010-04-01/Accounts/{daemon.account_sid}/Keys/{key}.json"
    async with (
        client.stream(base, headers={"Authorization": basic(key, secret)}) as stream,
        client.stream(base) as other,
    ):
        async with client.session.delete(path) as answer:
            assert answer.status == 204
        assert (await stream.event()).document == {"reason": "credentials"}
        await client.task(base)
        assert (await other.event()).event == "task.created"
