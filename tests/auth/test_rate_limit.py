"""Rate limits: a bucket per key, honest headers, off unless configured."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.access import Asked, Principal
from engine.api.forms import EMPTY, Form
from engine.api.problems import ApiError
from engine.api.rate_limit import BUCKETS_MAX, Bucket, RateLimiter, RateLimits
from tests.auth.support import basic, bearer, capability, client_of, policy, send, sign
from tests.wire.support import assert_problem

LIST = "/v1/Workspaces/{WS}/Tasks"
BULK = "/v1/Workspaces/{WS}/TaskQueues/RealTimeStatistics"
ALICE = Principal("AC1", "SK1")
BOB = Principal("AC1", "SK2")


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def no_form() -> Form:
    return EMPTY


def asked(template: str = LIST, method: str = "GET", **query: str) -> Asked:
    return Asked(method, template, "/", {}, Form({name: [text] for name, text in query.items()}), no_form)


def admitted(limiter: RateLimiter, who: Principal, what: Asked) -> dict[str, str]:
    headers: dict[str, str] = {}
    limiter.admit(who, what, headers)
    return headers


def test_a_burst_is_admitted_and_then_the_rate() -> None:
    clock = Clock()
    limiter = RateLimiter(RateLimits(rate_limit_requests_per_s=2, rate_limit_burst_requests=3), clock)
    left = [admitted(limiter, ALICE, asked())["X-Rate-Limit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    with pytest.raises(ApiError) as caught:
        admitted(limiter, ALICE, asked())
    assert (caught.value.status, caught.value.code, caught.value.headers) == (
        429,
        20429,
        {"Retry-After": "1"},
    )
    clock.now_s += 0.5
    assert admitted(limiter, ALICE, asked())["X-Rate-Limit-Remaining"] == "0"


def test_keys_are_counted_apart() -> None:
    limiter = RateLimiter(RateLimits(rate_limit_requests_per_s=1), Clock())
    admitted(limiter, ALICE, asked())
    admitted(limiter, BOB, asked())
    with pytest.raises(ApiError):
        admitted(limiter, ALICE, asked())


def test_expression_filters_are_counted_by_kind_and_account() -> None:
    limiter = RateLimiter(RateLimits(rate_limit_filtered_lists_per_s=1), Clock())
    assert admitted(limiter, ALICE, asked()) == {}
    assert admitted(limiter, ALICE, asked(EvaluateTaskAttributes="")) == {}
    told = admitted(limiter, ALICE, asked(EvaluateTaskAttributes="a == 1"))
    assert told["X-Rate-Limit-Config"] == "1 EvaluateTaskAttributes lists per second, burst 1"
    admitted(limiter, ALICE, asked(TargetWorkersExpression="a == 1"))
    with pytest.raises(ApiError):
        admitted(limiter, BOB, asked(EvaluateTaskAttributes="a == 1"))


def test_bulk_statistics_are_counted_by_account() -> None:
    limiter = RateLimiter(RateLimits(rate_limit_bulk_statistics_per_s=1), Clock())
    admitted(limiter, ALICE, asked(BULK, "POST"))
    with pytest.raises(ApiError):
        admitted(limiter, BOB, asked(BULK, "POST"))
    assert admitted(limiter, BOB, asked(LIST)) == {}


def test_a_slow_rate_tells_when_to_come_back() -> None:
    limiter = RateLimiter(RateLimits(rate_limit_requests_per_s=0.1), Clock())
    admitted(limiter, ALICE, asked())
    with pytest.raises(ApiError) as caught:
        admitted(limiter, ALICE, asked())
    assert caught.value.headers == {"Retry-After": "10"}


def test_buckets_are_bounded() -> None:
    limiter = RateLimiter(RateLimits(rate_limit_requests_per_s=1), Clock())
    for n in range(BUCKETS_MAX + 1):
        admitted(limiter, Principal("AC1", f"SK{n}"), asked())
    assert len(limiter._buckets) == BUCKETS_MAX


@given(
    rate=st.floats(0.1, 100),
    size=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_a_bucket_never_admits_more_than_burst_and_rate(rate: float, size: int, pauses: list[float]) -> None:
    bucket, now_s, admitted_count = Bucket(rate, size, 0.0), 0.0, 0
    for pause_s in pauses:
        now_s += pause_s
        wait_s = bucket.take(now_s)
        admitted_count += wait_s == 0
        assert admitted_count <= size + rate * now_s + 1e-6
        assert 0 <= bucket.tokens <= size
        assert math.isfinite(wait_s)


def test_a_daemon_without_limits_says_so(daemon, http, base):
    headers = http.get(base).headers
    assert headers["X-Rate-Limit-Config"] == "unlimited"


def test_a_limited_daemon_answers_429_and_tells_the_truth(start_daemon, database):
    daemon = start_daemon(
        database_url=database,
        settings={
            "POINTSMAN_SERVER_RATE_LIMIT_REQUESTS_PER_S": "0.01",
            "POINTSMAN_SERVER_RATE_LIMIT_BURST_REQUESTS": "5",
        },
    )
    owner = basic(daemon.account_sid, daemon.auth_token)
    first = send(daemon, "GET", "/Workspaces", owner)
    assert (first.status_code, first.headers["X-Rate-Limit-Limit"]) == (200, "5")
    assert first.headers["X-Rate-Limit-Remaining"] == "4"
    assert first.headers["X-Rate-Limit-Config"] == "0.01 requests per second, burst 5"
    client = client_of(daemon, daemon.account_sid, daemon.auth_token)
    key = client.new_keys.create()
    client.http_client.session.close()
    answers = [send(daemon, "GET", "/Workspaces", owner) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert_problem(answers[-1], 429, 20429)
    assert answers[-1].headers["X-Rate-Limit-Remaining"] == "0"
    assert 90 <= int(answers[-1].headers["Retry-After"]) <= 100
    assert send(daemon, "GET", "/Workspaces", basic(key.sid, key.secret)).status_code == 200
    assert send(daemon, "GET", "/Workspaces", basic(key.sid, "wrong")).status_code == 401
    assert daemon.status("/healthz") == 200


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_tokens_share_the_limit_of_their_signer(start_daemon, database):
    settings = {"POINTSMAN_SERVER_RATE_LIMIT_REQUESTS_PER_S": "0.01"}
    daemon = start_daemon(database_url=database, settings=settings)
    claims = capability(daemon.account_sid, policy("/v1/Workspaces"))
    assert send(daemon, "GET", "/Workspaces", bearer(sign(claims, daemon.auth_token))).status_code == 200
    again = sign(claims | {"friendly_name": "another"}, daemon.auth_token)
    assert send(daemon, "GET", "/Workspaces", bearer(again)).status_code == 429
