"""Every error code of contract §11.1 that applies, provoked over HTTP; and why the others do not apply.

A refusal has the documented status, code and form, says what is wrong and where, and changes nothing.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import asyncpg
import pytest
import requests

from engine.api.routes import ROUTES
from engine.storage.embedded import EmbeddedPostgres
from engine.storage.migrate import migrate
from tests.auth.support import (
    ACCESS_HEADER,
    access,
    basic,
    bearer,
    now_s,
    policy,
    sign,
    unsigned,
)
from tests.support.daemon import DaemonProcess
from tests.support.fixtures import make_open_directory
from tests.wire.documented_codes import DOCUMENTED, NOT_ANSWERED
from tests.wire.refusals import INBOX, NOBODY, SETTINGS, World, build, lines
from tests.wire.support import assert_problem

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

DAY_S = 86_400
VOICE = {"Instruction": "dequeue", "DequeueFrom": "+15550100", "DequeueTo": "+15550101"}
USED_KEY = {"Idempotency-Key": "for one request only"}
BULK_STATISTICS = "/Workspaces/{WS}/TaskQueues/RealTimeStatistics"
TASKS = "/Workspaces/{WS}/Tasks"
TASK = "/Workspaces/{WS}/Tasks/{WT}"
WORKERS = "/Workspaces/{WS}/Workers"
WORKER = "/Workspaces/{WS}/Workers/{WK}"


@pytest.fixture(scope="module")
def world(postgres: EmbeddedPostgres) -> Iterator[World]:
    """A world of this module's own: its daemon has limits that are soon reached."""
    asyncio.run(execute(postgres.dsn, "CREATE DATABASE refusals"))
    dsn = postgres.dsn_of("refusals")
    asyncio.run(migrate(dsn))
    directory = make_open_directory()
    with DaemonProcess(directory, database_url=dsn, settings=SETTINGS) as daemon:
        world = build(daemon, dsn)
        broken = f"UPDATE task_queues SET target_workers = '((' WHERE workspace_sid = '{world.broken}'"
        asyncio.run(execute(dsn, broken))
        world("POST", TASK, {"Priority": "1"}, headers=USED_KEY)
        world(*STATISTICS)
        yield world
        world.http.session.close()
    shutil.rmtree(directory, ignore_errors=True)


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


STATISTICS = ("POST", BULK_STATISTICS, '{"QueueSids": ["WQ' + NOBODY + '"]}')


@dataclass(slots=True, frozen=True)
class Case:
    """A refusal: its code, what is wrong, how it is provoked, what its message says, further headers."""

    code: int
    what: str
    send: Callable[[World], requests.Response]
    says: str
    headers: tuple[str, ...] = ()


def of_key(world: World, role: str = "admin", **claims: object) -> str:
    """An access token signed with the API key."""
    made = access(world.key_sid, world.daemon.account_sid, world.names["WS"], role)
    return sign({**made, **claims}, world.key_secret, ACCESS_HEADER)


BAD_REQUESTS = (
    (
        "a missing parameter",
        "POST",
        "/Workspaces/{WS}/Workers",
        {},
        "Missing required parameter FriendlyName",
    ),
    ("no number", "POST", TASK, {"Priority": "high"}, "Priority must be a whole number"),
    ("a value that is not listed", "POST", TASK, {"AssignmentStatus": "lost"}, "AssignmentStatus"),
    ("no boolean", "POST", WORKER, {"RejectPendingReservations": "perhaps"}, "RejectPendingReservations"),
    ("no JSON", "POST", TASK, {"Attributes": "{"}, "Attributes"),
    ("no date", "POST", TASK, {"VirtualStartTime": "noon"}, "VirtualStartTime"),
    ("no URL", "POST", "/Workspaces/{WS}", {"EventCallbackUrl": "nowhere"}, "EventCallbackUrl"),
    ("no SID", "POST", WORKER, {"ActivitySid": "WA1"}, "ActivitySid"),
    ("a SID of nothing", "POST", WORKER, {"ActivitySid": f"WA{NOBODY}"}, f"WA{NOBODY}"),
    ("a name that is taken", "POST", WORKERS, {"FriendlyName": "Ann"}, "already exists"),
    (
        "a step that is not possible",
        "POST",
        TASK,
        {"AssignmentStatus": "completed"},
        "not currently assigned",
    ),
    ("no expression", "GET", "/Workspaces/{WS}/Tasks?EvaluateTaskAttributes=a+%3D%3D", None, "column"),
    ("no order", "GET", "/Workspaces/{WS}/Tasks?Ordering=Size", None, "Ordering: expected"),
    ("no page size", "GET", TASKS + "?PageSize=all", None, "PageSize must be a whole number"),
    ("a broken form", "POST", TASK, "Priority=%zz", "%"),
    ("what is in use", "DELETE", "/Workspaces/{WS}/Activities/{WA}", None, "WA"),
    ("voice without a call", "POST", TASK + "/Reservations/{WR}", VOICE, "no call_sid"),
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def bad(what: str, method: str, path: str, data: object, says: str) -> Case:
    """A request that is refused with 20001."""
    headers = FORM if isinstance(data, str) else None
    return Case(20001, what, lambda w: w(method, path, data, headers=headers), says)


def token(code: int, what: str, make: Callable[[World], str], says: str) -> Case:
    """A token that is refused."""
    return Case(code, what, lambda w: w.under(bearer(make(w))), says, ("WWW-Authenticate",))


def credentials(what: str, make: Callable[[World], str | None]) -> Case:
    """Credentials that are refused."""
    return Case(20003, what, lambda w: w.under(make(w)), "^Authenticate$", ("WWW-Authenticate",))


CASES = (
    *(bad(*case) for case in BAD_REQUESTS),
    Case(
        20001,
        "an unsupported media type",
        lambda w: w("POST", TASK, "<a/>", headers={"Content-Type": "text/xml"}),
        "Content-Type text/xml is not supported",
    ),
    Case(
        20001,
        "a compressed body",
        lambda w: w("POST", TASK, b"x", headers={"Content-Encoding": "gzip"}),
        "Content-Encoding is not supported",
    ),
    Case(20002, "an empty name", lambda w: w("POST", WORKER, {"FriendlyName": ""}), "FriendlyName"),
    Case(20002, "a long name", lambda w: w("POST", "/Workspaces", {"FriendlyName": "x" * 65}), "64"),
    credentials("no credentials", lambda w: None),
    credentials("a wrong token", lambda w: basic(w.daemon.account_sid, "wrong")),
    credentials("an unknown account", lambda w: basic(f"AC{NOBODY}", w.daemon.auth_token)),
    credentials("an unknown key", lambda w: basic(f"SK{NOBODY}", w.key_secret)),
    credentials("another account's token", lambda w: basic(w.daemon.account_sid, w.other[1])),
    credentials("an unknown scheme", lambda w: "Digest x"),
    credentials("broken base64", lambda w: "Basic !"),
    Case(20004, "no method of this", lambda w: w("PUT", TASK), "PUT is not allowed on /Work", ("Allow",)),
    Case(
        20005, "a suspended account", lambda w: w.under(basic(*w.suspended)), "AC[0-9a-f]{32} is not active"
    ),
    Case(
        20006,
        "a policy of something else",
        lambda w: w.under(w.capable(policies=[policy(f"/v1{w.base}/Tasks")])),
        "GET /Workspaces/WS[0-9a-f]{32} denied",
    ),
    Case(
        20006,
        "a role that may not",
        lambda w: w.under(bearer(of_key(w, "supervisor")), "DELETE", w.filled(WORKER)),
        "DELETE /Workspaces/WS[0-9a-f]{32}/Workers/WK[0-9a-f]{32} denied",
    ),
    Case(
        20006,
        "another account's workspace, by token",
        lambda w: w.under(w.capable(), path=f"/Workspaces/{w.theirs}"),
        "denied",
    ),
    token(20101, "no token", lambda w: "ey.ey.ey", "Invalid Access Token$"),
    token(20102, "no algorithm", lambda w: unsigned(w.claims(), {"alg": "none"}) + "x", "header"),
    token(
        20102,
        "another algorithm",
        lambda w: sign(w.claims(), w.daemon.auth_token, algorithm="HS512"),
        "header",
    ),
    token(20103, "an unknown key", lambda w: of_key(w, iss=f"SK{NOBODY}"), "issuer/subject"),
    token(20103, "another account", lambda w: of_key(w, sub=w.other[0]), "issuer/subject"),
    token(20104, "an expired one", lambda w: of_key(w, exp=now_s() - 1), "expired"),
    token(20104, "one for ever", lambda w: of_key(w, exp=None), "expired"),
    token(20105, "one of tomorrow", lambda w: of_key(w, nbf=now_s() + DAY_S), "not yet valid"),
    token(20106, "one without a grant", lambda w: of_key(w, grants={}), "there is no task_router grant"),
    token(20107, "one that was forged", lambda w: of_key(w)[:-4] + "AAAA", "signature"),
    token(
        20107,
        "one signed by another account",
        lambda w: sign(w.claims(), w.other[1]),
        "signature",
    ),
    Case(
        20403,
        "keys, with a key",
        lambda w: w.under(
            basic(w.key_sid, w.key_secret), path=f"/2010-04-01/Accounts/{w.daemon.account_sid}/Keys.json"
        ),
        "auth token",
    ),
    Case(
        20403,
        "keys of another account",
        lambda w: w.under(basic(*w.other), path=f"/2010-04-01/Accounts/{w.daemon.account_sid}/Keys.json"),
        "not those of this account",
    ),
    Case(
        20404,
        "no such path",
        lambda w: w("GET", "/Nowhere"),
        "^The requested resource /Nowhere was not found$",
    ),
    Case(
        20404,
        "another account's workspace",
        lambda w: w("DELETE", f"/Workspaces/{w.theirs}"),
        "/Workspaces/WS",
    ),
    Case(
        20409,
        "an idempotency key of another request",
        lambda w: w("POST", TASK, {"Priority": "2"}, headers=USED_KEY),
        "Idempotency-Key",
    ),
    Case(
        20412,
        "another version of a task",
        lambda w: w("POST", TASK, {"Priority": "1"}, headers={"If-Match": "99"}),
        "99",
    ),
    Case(
        20412, "another version of a worker", lambda w: w("DELETE", WORKER, headers={"If-Match": "99"}), "99"
    ),
    Case(
        20412,
        "another version of a reservation",
        lambda w: w(
            "POST",
            WORKER + "/Reservations/{WR}",
            {"ReservationStatus": "accepted"},
            headers={"If-Match": "9"},
        ),
        "9",
    ),
    Case(20412, "no version", lambda w: w("DELETE", TASK, headers={"If-Match": "now"}), "If-Match now"),
    Case(20413, "a long body", lambda w: w("POST", TASK, b"x" * 4_194_305), "larger than 4194304 bytes"),
    Case(20429, "too many requests", lambda w: w(*STATISTICS), "bulk statistics", ("Retry-After",)),
    Case(
        20500,
        "a fault of ours",
        lambda w: w("GET", f"/Workspaces/{w.broken}/TaskQueues?EvaluateWorkerAttributes=%7B%7D"),
        "^An internal error occurred$",
    ),
    Case(
        20503,
        "a full inbox",
        lambda w: w("POST", "/Workspaces/{WS}/Tasks/Bulk", **lines([{}] * (INBOX + 1))),
        f"{INBOX} commands are waiting",
        ("Retry-After",),
    ),
    Case(21481, "a page token", lambda w: w("GET", "/Workspaces/{WS}/Tasks?PageToken=PAx"), "PageToken"),
    Case(
        21481,
        "a page token of another list",
        lambda w: w("GET", "/Workspaces/{WS}/Tasks?PageToken=PA{WK}"),
        "PageToken",
    ),
    Case(
        14241,
        "statistics of long ago",
        lambda w: w("GET", "/Workspaces/{WS}/CumulativeStatistics?StartDate=2020-01-01"),
        "30 days",
    ),
    Case(40153, "a page by its number", lambda w: w("GET", "/Workspaces/{WS}/Tasks?Page=2"), "PageToken"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}: {case.what}")
def test_a_refusal_has_its_code_says_why_and_changes_nothing(world: World, case: Case) -> None:
    before = world.seen()
    response = case.send(world)
    message = assert_problem(response, DOCUMENTED[case.code], case.code)
    assert re.search(case.says, message), message
    assert response.json()["more_info"] == f"https://www.twilio.com/docs/errors/{case.code}"
    assert all(response.headers.get(name) for name in (*case.headers, "X-Request-Id")), response.headers
    assert world.seen() == before


def test_every_documented_code_is_provoked_or_does_not_apply() -> None:
    provoked = {case.code for case in CASES}
    assert provoked | NOT_ANSWERED.keys() == DOCUMENTED.keys()
    assert not provoked & NOT_ANSWERED.keys()


def test_a_limit_that_was_reached_says_when_to_come_again(world: World) -> None:
    response = world(*STATISTICS)
    assert_problem(response, 429, 20429)
    assert int(response.headers["Retry-After"]) > 1
    assert response.headers["X-Rate-Limit-Limit"] == "1"
    assert response.headers["X-Rate-Limit-Remaining"] == "0"
    assert "bulk statistics per second" in response.headers["X-Rate-Limit-Config"]


def test_if_match_is_never_required(world: World) -> None:
    response = world("POST", TASK, {"Reason": ""})
    assert response.status_code == 200


PLACES = [
    (route.method, route.path.removeprefix("/v1"), name)
    for route in ROUTES
    for name in re.findall(r"{(\w+)}", route.path)
    if route.path != f"/v1{BULK_STATISTICS}"  # its rate was exceeded, which is told first
]


def test_what_a_path_names_is_looked_for_in_every_position(world: World) -> None:
    before = world.seen()
    for method, path, name in PLACES:
        unknown = world.filled(path, **{name: "nothing" if name == "channel" else f"{name}{NOBODY}"})
        message = assert_problem(world(method, unknown), 404, 20404)
        assert message == f"The requested resource {unknown} was not found"
    assert world.seen() == before


def test_other_methods_are_refused_everywhere_and_the_right_ones_told(world: World) -> None:
    before = world.seen()
    allowed: dict[str, set[str]] = {}
    for route in ROUTES:
        path = world.filled(route.path.removeprefix("/v1"))
        allowed.setdefault(path, set()).add(route.method)
    for path, methods in allowed.items():
        for method in {"GET", "POST", "DELETE", "PUT", "PATCH"} - methods:
            response = world(method, path)
            message = assert_problem(response, 405, 20004)
            assert message.startswith(f"{method} is not allowed on {path}")
            assert methods <= set(response.headers["Allow"].split(", "))
    assert world.seen() == before
