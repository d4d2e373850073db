"""JSON Web Tokens: everything that makes one invalid has its code, and times hold to the second."""

import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from twilio.jwt.access_token import AccessToken
from twilio.jwt.access_token.grants import TaskRouterGrant, VideoGrant
from twilio.jwt.taskrouter.capabilities import WorkerCapabilityToken

from tests.auth.support import (
    ACCESS_HEADER,
    HOSTED,
    access,
    basic,
    bearer,
    capability,
    now_s,
    policy,
    send,
    sign,
    unsigned,
)
from tests.wire.support import assert_problem

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")

OTHER = "AC" + "7" * 32
EVERYTHING = policy(f"{HOSTED}/**")


@pytest.fixture
def admin(key, daemon, workspace):
    """The claims of an admin's access token."""
    return access(key.sid, daemon.account_sid, workspace.sid, "admin")


def test_tokens_of_the_official_client_are_accepted(daemon, key, workspace, base):
    token = AccessToken(daemon.account_sid, key.sid, key.secret, identity="alice", region="us1")
    token.add_grant(TaskRouterGrant(workspace.sid, role="admin"))
    assert send(daemon, "GET", base, bearer(token.to_jwt())).status_code == 200
    worker = workspace.workers.create(friendly_name="Ann")
    capable = WorkerCapabilityToken(daemon.account_sid, daemon.auth_token, workspace.sid, worker.sid)
    assert send(daemon, "GET", f"{base}/Workers/{worker.sid}", bearer(capable.to_jwt())).status_code == 200


@pytest.mark.parametrize("user", ["Token", "jwt", "", "account", "signer"])
def test_a_token_may_be_the_password_of_basic(daemon, key, admin, base, user):
    token = sign(admin, key.secret, ACCESS_HEADER)
    user = {"account": "Token", "signer": key.sid}.get(user, user)
    assert send(daemon, "GET", base, basic(user, token)).status_code == 200


def test_a_basic_user_that_is_not_the_signer_is_refused(daemon, key, admin, base):
    token = sign(admin, key.secret, ACCESS_HEADER)
    assert_problem(send(daemon, "GET", base, basic(OTHER, token)), 401, 20103)
    assert_problem(send(daemon, "GET", base, basic(daemon.account_sid, token)), 401, 20103)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": None}, 20104),
        ({"exp": "soon"}, 20104),
        ({"exp": True}, 20104),
        ({"exp": now_s() - 1}, 20104),
        ({"nbf": now_s() + 86_400}, 20105),
        ({"iat": now_s() + 86_400}, 20105),
        ({"nbf": "x"}, 20105),
        ({"sub": OTHER}, 20103),
        ({"sub": None}, 20103),
        ({"iss": "SK" + "0" * 32}, 20103),
        ({"iss": None}, 20103),
        ({"iss": ["SK"]}, 20103),
        ({"grants": None}, 20106),
        ({"grants": {"task_router": "all"}}, 20106),
        ({"grants": {"task_router": {}}}, 20106),
        ({"grants": {"task_router": {"workspace_sid": "WS1", "role": "admin"}}}, 20106),
        ({"grants": {"task_router": {"workspace_sid": "WS" + "0" * 32, "role": "king"}}}, 20106),
        ({"grants": {"task_router": {"workspace_sid": "WS" + "0" * 32, "role": "worker"}}}, 20106),
        ({"grants": {"task_router": {"workspace_sid": "WS" + "0" * 32, "worker_sid": "x"}}}, 20106),
    ],
)
def test_a_wrong_claim_of_an_access_token_has_its_code(*, daemon, key, admin, base, changes, code):
    claims = {name: value for name, value in (admin | changes).items() if value is not None}
    # Signed as bytes: what makes tokens refuses some of these.
    token = jwt.api_jws.encode(json.dumps(claims).encode(), key.secret, "HS256", ACCESS_HEADER)
    assert_problem(send(daemon, "GET", base, bearer(token)), 401, code)


def test_a_token_with_other_grants_only_is_refused(daemon, key, base):
    token = AccessToken(daemon.account_sid, key.sid, key.secret, identity="alice")
    token.add_grant(VideoGrant(room="room"))
    assert_problem(send(daemon, "GET", base, bearer(token.to_jwt())), 401, 20106)


@pytest.mark.parametrize(
    "header",
    [{"typ": "JWT"}, {"typ": "JWE", "cty": "twilio-fpa;v=1"}, {"typ": "JWT", "cty": "other"},
     {"typ": "JWT", "cty": "twilio-fpa;v=1", "crit": ["x"], "x": 1}],
)  # fmt: skip
def test_a_wrong_header_of_an_access_token_is_refused(daemon, key, admin, base, header):
    token = sign(admin, key.secret, header)
    assert_problem(send(daemon, "GET", base, bearer(token)), 401, 20102)


def test_only_hs256_counts(daemon, key, admin, base):
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    for token in (
        jwt.encode(admin, private, "RS256", headers=ACCESS_HEADER),
        jwt.encode(admin, key.secret * 2, "HS512", headers=ACCESS_HEADER),
        unsigned(admin, ACCESS_HEADER | {"alg": "none"}),
        unsigned(admin, ACCESS_HEADER | {"alg": "None"}),
        unsigned(admin, ACCESS_HEADER),
    ):
        assert_problem(send(daemon, "GET", base, bearer(token)), 401, 20102)


def test_a_wrong_signature_is_refused(daemon, key, admin, base):
    for token in (
        sign(admin, "another-secret-of-thirty-two-chars", ACCESS_HEADER),
        sign(admin, daemon.auth_token, ACCESS_HEADER),
        unsigned(admin, ACCESS_HEADER | {"alg": "HS256"}),
        _changed(sign(admin, key.secret, ACCESS_HEADER)),
    ):
        assert_problem(send(daemon, "GET", base, bearer(token)), 401, 20107)


@pytest.mark.parametrize(
    "token",
    ["a.b.c", "e30.e30.", "e30.W10.x", "eyJ.eyJ.eyJ", "W10.e30.x", "é.é.é", "x" * 9_000 + ".y.z", ".."],
)
def test_what_cannot_be_read_is_refused(daemon, base, token):
    response = send(daemon, "GET", base, bearer(token).encode())
    assert response.status_code == 401
    assert response.json()["code"] in {20101, 20102}


@pytest.mark.parametrize("token", ["x", "a.b", "a.b.c.d", "....", "."])
def test_what_has_not_the_shape_of_a_token_is_not_taken_for_one(daemon, base, token):
    assert_problem(send(daemon, "GET", base, bearer(token)), 401, 20003)


def test_deep_nesting_is_refused(daemon, key, base):
    for depth in (500, 990, 1_020, 3_000):
        claims = f'{{"iss":"{key.sid}","x":{"[" * depth}{"]" * depth}}}'
        token = jwt.api_jws.encode(claims.encode(), key.secret, "HS256", ACCESS_HEADER)
        assert send(daemon, "GET", base, bearer(token)).status_code == 401


def test_a_token_of_a_revoked_key_is_refused_by_the_next_request(daemon, client, workspace, base):
    client.api.base_url = daemon.url
    made = client.new_keys.create()
    token = sign(access(made.sid, daemon.account_sid, workspace.sid, "admin"), made.secret, ACCESS_HEADER)
    assert send(daemon, "GET", base, bearer(token)).status_code == 200
    client.keys(made.sid).delete()
    assert_problem(send(daemon, "GET", base, bearer(token)), 401, 20103)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"exp": None}, 20104),
        ({"exp": now_s() - 1}, 20104),
        ({"nbf": now_s() + 86_400}, 20105),
        ({"account_sid": OTHER}, 20103),
        ({"account_sid": None}, 20103),
        ({"iss": OTHER, "account_sid": OTHER}, 20103),
        ({"policies": None}, 20106),
        ({"policies": {}}, 20106),
        ({"policies": [1]}, 20106),
        ({"policies": [{"url": 1, "method": "GET"}]}, 20106),
        ({"policies": [EVERYTHING | {"allow": "yes"}]}, 20106),
        ({"policies": [EVERYTHING | {"post_filter": []}]}, 20106),
        ({"policies": [EVERYTHING | {"post_filter": {"A": True}}]}, 20106),
        ({"policies": [EVERYTHING | {"url": "//[x"}]}, 20106),
        ({"policies": [EVERYTHING | {"url": "/**/a/**/b/**/c/**/d/**"}]}, 20106),
        ({"policies": [{"url": "a", "method": "b"}] * 101}, 20106),
    ],
)
def test_a_wrong_claim_of_a_capability_token_has_its_code(daemon, base, changes, code):
    claims = capability(daemon.account_sid, EVERYTHING) | changes
    token = sign({name: value for name, value in claims.items() if value is not None}, daemon.auth_token)
    assert_problem(send(daemon, "GET", base, bearer(token)), 401, code)


def test_a_capability_token_is_signed_with_the_auth_token_only(daemon, key, base):
    claims = capability(daemon.account_sid, EVERYTHING)
    assert_problem(send(daemon, "GET", base, bearer(sign(claims, key.secret))), 401, 20107)
    as_access = sign(claims, daemon.auth_token, ACCESS_HEADER)
    assert_problem(send(daemon, "GET", base, bearer(as_access)), 401, 20102)


def test_a_token_cannot_manage_keys(daemon):
    token = sign(capability(daemon.account_sid, policy("https://api.twilio.com/**")), daemon.auth_token)
    path = f"/2010-04-01/Accounts/{daemon.account_sid}/Keys.json"
    assert_problem(send(daemon, "GET", path, bearer(token)), 403, 20403)


def test_no_token_and_no_secret_is_in_the_log(daemon, key, admin, base):
    token = sign(admin, key.secret, ACCESS_HEADER)
    send(daemon, "GET", base, bearer(token))
    send(daemon, "GET", base, bearer(_changed(token)))
    assert token.rsplit(".", 1)[1] not in daemon.log()
    assert key.secret not in daemon.log()


def _changed(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
