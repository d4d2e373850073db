"""Signing in at the desk: links that work once, sign-ins that hold for a while, and what neither may leak."""

import asyncio
import re
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from yarl import URL

from engine.desk_command import NoSuchWorker, make_link
from engine.storage.desk import DeskRows, DeskWorker
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.pool import Database
from engine.storage.retention import Retention
from tests.auth.support import bearer
from tests.bridge.support import Desk
from tests.desk.support import COOKIE, at_once, desk_link, link_for, post, secret_in, settings_of, sign_in
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import StartDaemon

PAGE = Path(__file__).resolve().parents[2] / "engine" / "desk" / "page"
ALL_ROWS = "SELECT l::text FROM desk_links AS l UNION SELECT s::text FROM desk_sessions AS s"
NEVER = "WS" + "0" * 32 + "." + "A" * 43


async def test_a_link_gives_a_token_of_its_worker(daemon: DaemonProcess, desk: Desk) -> None:
    answer = await sign_in(daemon, await link_for(desk))
    assert answer.status == 200
    assert (answer.body["workspace_sid"], answer.body["worker_sid"]) == (desk.sid, desk.workers["alice"])
    assert answer.body["worker_name"] == "alice"
    assert 0 < answer.body["token_lifetime_ms"] <= 900_000
    assert 0 < answer.body["session_lifetime_ms"] <= 43_200_000
    token = answer.body["token"]
    assert (await desk.call("GET", desk.wk("alice"), token=token)).payload["friendly_name"] == "alice"
    assert (await desk.call("POST", desk.wk("bob"), {"Attributes": {}}, token=token)).status == 403
    await desk.connect(token=token)


async def test_a_link_works_once(daemon: DaemonProcess, desk: Desk) -> None:
    url = await link_for(desk)
    assert (await sign_in(daemon, url)).status == 200
    again = await sign_in(daemon, url)
    assert (again.status, again.body["code"], again.cookie) == (403, 20403, None)


async def test_of_several_uses_at_the_same_moment_one_succeeds(daemon: DaemonProcess, desk: Desk) -> None:
    assert await at_once(8, daemon, await link_for(desk)) == [200] + [403] * 7


async def test_a_link_expires(daemon: DaemonProcess, desk: Desk) -> None:
    url = await link_for(desk, POINTSMAN_DESK_LINK_S="0.001")
    assert (await sign_in(daemon, url)).status == 403


@pytest.mark.parametrize("link", [NEVER, "", "nonsense", NEVER + "\n", "x" * 4_000])
async def test_what_never_was_a_link_is_refused_like_one_that_was_used(
    daemon: DaemonProcess, link: str
) -> None:
    answer = await post(daemon, "session", {"Link": link})
    assert answer.status == 403
    assert not link or link not in answer.body["message"]


@pytest.mark.parametrize(
    ("document", "status"), [({}, 400), ([], 400), ({"Link": ["a"]}, 403), ({"Link": "x" * 5_000}, 413)]
)
async def test_bodies_that_are_none_are_refused(daemon: DaemonProcess, document: object, status: int) -> None:
    assert (await post(daemon, "session", document)).status == status


async def test_the_link_of_a_deleted_worker_does_not_work(daemon: DaemonProcess, desk: Desk) -> None:
    url = await link_for(desk)
    await desk.rest("DELETE", f"{desk.path}/Workers/{desk.workers['alice']}")
    assert (await sign_in(daemon, url)).status == 403


async def test_a_sign_in_gives_new_tokens(daemon: DaemonProcess, desk: Desk) -> None:
    opened = await sign_in(daemon, await link_for(desk))
    renewed = await post(daemon, "token", headers=opened.session)
    assert renewed.status == 200
    assert renewed.body["session_lifetime_ms"] <= opened.body["session_lifetime_ms"]
    assert (await desk.call("GET", desk.wk("alice"), token=renewed.body["token"])).status == 200


async def test_without_a_sign_in_there_is_no_token_and_no_error(daemon: DaemonProcess) -> None:
    assert (await post(daemon, "token")).status == 204
    refused = await post(daemon, "token", headers={"Cookie": f"{COOKIE}={NEVER}"})
    assert refused.status == 204
    assert refused.cookie is not None
    assert (refused.cookie.value, refused.cookie["max-age"]) == ("", "0")


async def test_a_sign_in_ends_when_it_is_signed_out(daemon: DaemonProcess, desk: Desk) -> None:
    opened = await sign_in(daemon, await link_for(desk))
    assert (await post(daemon, "sign-out", headers=opened.session)).status == 204
    assert (await post(daemon, "token", headers=opened.session)).status == 204
    assert (await post(daemon, "sign-out", headers=opened.session)).status == 204


async def test_a_sign_in_ends_with_its_worker(daemon: DaemonProcess, desk: Desk) -> None:
    opened = await sign_in(daemon, await link_for(desk))
    await desk.rest("DELETE", f"{desk.path}/Workers/{desk.workers['alice']}")
    assert (await post(daemon, "token", headers=opened.session)).status == 204


async def test_a_sign_in_ends_after_its_time_and_its_tokens_with_it(
    postgres: EmbeddedPostgres, database: str, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(database_url=database, settings={"POINTSMAN_DESK_SESSION_S": "2"})
    async with Desk(daemon) as desk:
        opened = await sign_in(daemon, await link_for(desk))
        assert opened.body["token_lifetime_ms"] <= 2_000
        async with asyncio.timeout(10):
            while (await post(daemon, "token", headers=opened.session)).status == 200:
                pass
        assert (await desk.call("GET", desk.wk("alice"), token=opened.body["token"])).status == 401


async def test_revoking_the_key_signs_out_and_the_next_link_makes_another(
    daemon: DaemonProcess, desk: Desk
) -> None:
    opened = await sign_in(daemon, await link_for(desk))
    keys = f"/2010-04-01/Accounts/{daemon.account_sid}/Keys"
    listed = (await desk.rest("GET", f"{keys}.json"))["keys"]
    ours = [key["sid"] for key in listed if key["friendly_name"] == "Worker desk"]
    assert len(ours) == 1
    unused = await link_for(desk)
    await desk.rest("DELETE", f"{keys}/{ours[0]}.json")
    assert (await post(daemon, "token", headers=opened.session)).status == 204
    assert (await desk.call("GET", desk.wk("alice"), token=opened.body["token"])).status == 401
    assert (await sign_in(daemon, unused)).status == 403
    assert (await sign_in(daemon, await link_for(desk))).status == 200


async def test_links_and_sign_ins_survive_a_crash_and_no_link_comes_back(
    database: str, start_daemon: StartDaemon
) -> None:
    daemon = start_daemon(database_url=database)
    async with Desk(daemon) as desk:
        used, unused = await link_for(desk), await link_for(desk)
        opened = await sign_in(daemon, used)
        daemon.kill()
        made_meanwhile = await link_for(desk, "bob")
        daemon.start()
        assert (await sign_in(daemon, used)).status == 403
        assert (await post(daemon, "token", headers=opened.session)).status == 200
        assert (await sign_in(daemon, unused)).status == 200
        assert (await sign_in(daemon, made_meanwhile)).body["worker_name"] == "bob"


async def test_the_sign_in_is_a_cookie_for_the_desk_alone(daemon: DaemonProcess, desk: Desk) -> None:
    opened = await sign_in(daemon, await link_for(desk))
    cookie = opened.cookie
    assert cookie is not None
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["secure"]) == ("Strict", "", "")
    assert 0 < int(cookie["max-age"]) <= 43_200
    assert cookie.value not in str(opened.body)
    link = secret_in(await link_for(desk))
    behind_tls = await post(daemon, "session", {"Link": link}, {"X-Forwarded-Proto": "https"})
    assert behind_tls.cookie is not None
    assert behind_tls.cookie["secure"]


async def test_other_sites_are_refused_and_use_no_link_up(daemon: DaemonProcess, desk: Desk) -> None:
    url = await link_for(desk)
    for site in ("cross-site", "same-site", "none"):
        foreign = {"Sec-Fetch-Site": site}
        assert (await post(daemon, "session", {"Link": secret_in(url)}, foreign)).status == 403
        assert (await post(daemon, "token", headers=foreign)).status == 403
        assert (await post(daemon, "sign-out", headers=foreign)).status == 403
    assert (await sign_in(daemon, url)).status == 200


@pytest.mark.parametrize("path", ["/desk", "/desk/desk.js", "/desk/desk.css", "/desk/icon.svg"])
async def test_nothing_of_the_page_comes_from_elsewhere_or_goes_there(
    daemon: DaemonProcess, path: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(daemon.url + path) as response:
        assert response.status == 200
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Cache-Control"] == "no-cache"
        assert response.charset == "utf-8"


def test_the_files_of_the_page_name_no_other_host() -> None:
    text = "".join(path.read_text() for path in PAGE.iterdir())
    assert set(re.findall(r"https?://[\w.-]+", text)) <= {"http://www.w3.org"}
    assert "innerHTML" not in text


async def test_answers_of_the_sign_in_are_not_kept(daemon: DaemonProcess, desk: Desk) -> None:
    url = await link_for(desk)
    for answer in (await sign_in(daemon, url), await sign_in(daemon, url), await post(daemon, "token")):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("file", ["nothing.js", "..%2fapp.py", "%2e%2e", "desk.html%00"])
async def test_there_are_no_other_files(daemon: DaemonProcess, file: str) -> None:
    async with aiohttp.ClientSession() as session:
        url = URL(f"{daemon.url}/desk/{file}", encoded=True)
        async with session.get(url) as response:
            assert response.status in {400, 404}


async def test_neither_the_log_nor_the_database_has_what_proves_a_sign_in(
    daemon: DaemonProcess, desk: Desk
) -> None:
    used, unused = secret_in(await link_for(desk)), secret_in(await link_for(desk))
    opened = await post(daemon, "session", {"Link": used})
    assert opened.cookie is not None
    assert list(daemon.events("desk.signed_in"))[-1]["worker_sid"] == desk.workers["alice"]
    rows = await _rows(daemon)
    for secret in (used, unused, opened.cookie.value, opened.body["token"]):
        assert secret.partition(".")[2] not in daemon.log() + rows


async def _rows(daemon: DaemonProcess) -> str:
    connection = await asyncpg.connect(daemon.database_url)
    try:
        found = await connection.fetch(ALL_ROWS)
    finally:
        await connection.close()
    assert found
    return str(found)


async def test_what_has_expired_is_removed(pools: Database) -> None:
    rows, worker = DeskRows(pools), DeskWorker("WS1", "WK1", "alice")
    await rows.add_link(worker, b"old", "SK1", 1_000)
    await rows.add_link(worker, b"new", "SK1", 3_000)
    async with pools.committing() as connection:
        await connection.execute("INSERT INTO desk_sessions VALUES ('WS1', 'a', 'WK1', 'SK1', 2000)")
        await connection.execute("INSERT INTO desk_sessions VALUES ('WS1', 'b', 'WK1', 'SK1', 2001)")
    await Retention(pools).purge_desk(2_000)
    async with pools.reading() as connection:
        assert await connection.fetchval("SELECT string_agg(digest, '') FROM desk_links") == b"new"
        assert await connection.fetchval("SELECT string_agg(digest, '') FROM desk_sessions") == b"b"


async def test_the_command_takes_a_name_and_prints_the_address_alone(
    daemon: DaemonProcess, desk: Desk
) -> None:
    await desk.hire("Zoë Ångström")
    done = await asyncio.to_thread(desk_link, daemon, "Zoë Ångström")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{daemon.url}/desk#link=")
    assert "Zoë Ångström" in done.stderr
    assert "10 minutes" in done.stderr
    assert (await sign_in(daemon, done.stdout.strip())).body["worker_name"] == "Zoë Ångström"


async def test_the_command_fails_with_one_line(daemon: DaemonProcess) -> None:
    done = await asyncio.to_thread(desk_link, daemon, "nobody at all")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pointsman: there is no worker called nobody at all in this account\n"
    done = await asyncio.to_thread(desk_link, daemon, "alice", "--workspace", "WS1")
    assert done.returncode == 2
    assert "--workspace" in done.stderr


async def test_a_worker_that_is_nobody_or_several_is_refused(daemon: DaemonProcess, desk: Desk) -> None:
    settings = settings_of(daemon)
    with pytest.raises(NoSuchWorker, match="no worker called nobody in this account"):
        await make_link(settings, "nobody", None, None)
    with pytest.raises(NoSuchWorker, match=f"no worker WK{'0' * 32} in workspace {desk.sid}"):
        await make_link(settings, f"WK{'0' * 32}", desk.sid, None)
    async with Desk(daemon) as other:
        with pytest.raises(NoSuchWorker, match="several workers called alice"):
            await make_link(settings, "alice", None, None)
        assert await make_link(settings, "alice", other.sid, None)
        with pytest.raises(NoSuchWorker):
            await make_link(settings, desk.workers["alice"], other.sid, None)


async def test_a_public_url_is_where_the_link_leads(desk: Desk) -> None:
    url = await link_for(desk, POINTSMAN_PUBLIC_URL="https://desk.example.org/router/")
    assert url.startswith("https://desk.example.org/router/desk#link=WS")


async def test_tokens_of_the_desk_are_those_of_the_rest_api_too(daemon: DaemonProcess, desk: Desk) -> None:
    token = (await sign_in(daemon, await link_for(desk))).body["token"]
    headers = {"Authorization": bearer(token)}
    own = f"{daemon.url}{desk.path}/Workers/{desk.workers['alice']}"
    async with desk.session.get(own, headers=headers) as got:
        assert got.status == 200
    async with desk.session.delete(daemon.url + desk.path, headers=headers) as refused:
        assert refused.status == 403
