"""Several accounts in one daemon, and the commands that manage accounts and keys."""

import os
import re
import subprocess
import sys

import pytest
from twilio.request_validator import RequestValidator

from tests.auth.support import HOSTED, basic, bearer, capability, client_of, policy, send, sign
from tests.support.daemon import ROOT
from tests.wire.support import assert_problem, eventually

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


class Pointsman:
    """The command line, on the same database and data directory as a daemon."""

    def __init__(self, daemon, database):
        self.options = ["--database-url", database, "--data-dir", str(daemon.data_dir)]

    def __call__(self, *arguments):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("POINTSMAN_")}
        command = [sys.executable, "-m", "engine", *arguments, *self.options]
        done = subprocess.run(
            command, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def made(self, *arguments):
        """The SID and the secret that a create shows."""
        code, out, error = self(*arguments)
        assert code == 0, error
        sid, secret = re.findall(r"^(?:Key SID|Account SID|Secret|Auth token): +(\S+)$", out, re.MULTILINE)[
            -2:
        ]
        return sid, secret


@pytest.fixture
def own(start_daemon, database):
    return start_daemon(database_url=database)


@pytest.fixture
def pointsman(own, database):
    return Pointsman(own, database)


def test_accounts_are_separated(own, pointsman, receiver):
    sid, token = pointsman.made("accounts", "create", "--name", "Second")
    first = client_of(own, own.account_sid, own.auth_token)
    second = client_of(own, sid, token)
    ours = first.taskrouter.v1.workspaces.create(friendly_name="Ours")
    theirs = second.taskrouter.v1.workspaces.create(
        friendly_name="Theirs", event_callback_url=f"{receiver.url}/events"
    )
    assert theirs.account_sid == sid
    assert [w.sid for w in second.taskrouter.v1.workspaces.list()] == [theirs.sid]
    assert [w.sid for w in first.taskrouter.v1.workspaces.list()] == [ours.sid]
    owner = basic(sid, token)
    assert_problem(send(own, "GET", f"/Workspaces/{ours.sid}", owner), 404, 20404)
    assert_problem(send(own, "DELETE", f"/Workspaces/{ours.sid}", owner), 404, 20404)
    assert_problem(send(own, "GET", "/Workspaces", basic(sid, own.auth_token)), 401, 20003)

    key = second.new_keys.create(friendly_name="theirs")
    assert [k.sid for k in second.keys.list()] == [key.sid]
    assert first.keys.list() == []
    path = f"/2010-04-01/Accounts/{own.account_sid}/Keys.json"
    assert_problem(send(own, "GET", path, owner), 403, 20403)
    with_key = basic(key.sid, key.secret)
    assert_problem(send(own, "GET", f"/Workspaces/{ours.sid}", with_key), 404, 20404)
    assert send(own, "GET", f"/Workspaces/{theirs.sid}", with_key).status_code == 200

    everything = bearer(sign(capability(sid, policy(f"{HOSTED}/**")), token))
    assert send(own, "GET", f"/Workspaces/{theirs.sid}", everything).status_code == 200
    assert_problem(send(own, "GET", f"/Workspaces/{ours.sid}", everything), 403, 20006)
    forged = bearer(sign(capability(own.account_sid, policy(f"{HOSTED}/**")), token))
    assert_problem(send(own, "GET", f"/Workspaces/{ours.sid}", forged), 401, 20107)

    second.taskrouter.v1.workspaces(theirs.sid).workers.create(friendly_name="Ann")
    (call, *_) = eventually("an event callback", lambda: receiver.named("worker.created"))
    signature = call.headers["X-Twilio-Signature"]
    url = f"{receiver.url}/events"
    assert RequestValidator(token).validate(url, call.form, signature)
    assert not RequestValidator(own.auth_token).validate(url, call.form, signature)
    for client in (first, second):
        client.http_client.session.close()


def test_a_suspended_account_is_refused_until_it_is_activated(own, pointsman):
    sid, token = pointsman.made("accounts", "create")
    owner = basic(sid, token)
    assert send(own, "GET", "/Workspaces", owner).status_code == 200
    assert pointsman("accounts", "suspend", sid)[0] == 0
    eventually("it is refused", lambda: send(own, "GET", "/Workspaces", owner).status_code == 403)
    assert_problem(send(own, "GET", "/Workspaces", owner), 403, 20005)
    assert re.search(rf"{sid}  suspended", pointsman("accounts", "list")[1])
    assert pointsman("accounts", "activate", sid)[0] == 0
    eventually("it is served", lambda: send(own, "GET", "/Workspaces", owner).status_code == 200)


def test_a_key_made_on_the_command_line_works_until_it_is_revoked_there(own, pointsman):
    sid, secret = pointsman.made("keys", "create", "--account-sid", own.account_sid, "--name", "ops")
    header = basic(sid, secret)
    assert send(own, "GET", "/Workspaces", header).status_code == 200
    assert re.fullmatch(rf"{sid}  \S+Z  ops\n", pointsman("keys", "list")[1])
    assert pointsman("keys", "revoke", sid)[:2] == (0, f"{sid} is revoked.\n")
    eventually("it is refused", lambda: send(own, "GET", "/Workspaces", header).status_code == 401)
    assert secret not in own.log()


def test_what_cannot_be_done_is_told(own, pointsman):
    for arguments, code, says in (
        (("keys", "revoke", "SK" + "0" * 32), 1, "pointsman: there is no API key SK"),
        (("keys", "create", "--account-sid", "AC" + "0" * 32), 1, "pointsman: there is no account AC"),
        (("accounts", "suspend", "AC" + "0" * 32), 1, "pointsman: there is no account AC"),
        (("keys", "create", "--name", "x" * 65), 2, "--name: at most 64"),
    ):
        done = pointsman(*arguments)
        assert (done[0], done[1]) == (code, ""), done
        assert says in done[2]
    pointsman.made("accounts", "create")
    code, _, error = pointsman("keys", "create")
    assert (code, "name one with --account-sid" in error) == (2, True)
