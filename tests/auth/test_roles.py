"""What worker, supervisor and admin may do, and what capability tokens of the official client allow."""

import json

import pytest
from twilio.jwt.taskrouter.capabilities import (
    TaskQueueCapabilityToken,
    WorkerCapabilityToken,
    WorkspaceCapabilityToken,
)

from tests.auth.support import ACCESS_HEADER, access, bearer, send, sign
from tests.wire.support import assert_problem, eventually

pytestmark = pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")


class World:
    """A workspace with two workers, a task offered to the first, and one offered to nobody."""

    def __init__(self, daemon, workspace, key):
        self.daemon, self.workspace, self.key = daemon, workspace, key
        self.base = f"/Workspaces/{workspace.sid}"
        idle = next(a for a in workspace.activities.list() if a.available)
        self.mine = workspace.workers.create(
            friendly_name="Ann", activity_sid=idle.sid, attributes='{"n": 1}'
        )
        self.other = workspace.workers.create(friendly_name="Bob")
        self.activity_sid = idle.sid
        queue = workspace.task_queues.create(friendly_name="Mine", target_workers="n == 1")
        nobody = workspace.task_queues.create(friendly_name="Nobody", target_workers="n == 2")
        filters = [{"expression": "lost == true", "targets": [{"queue": nobody.sid}]}]
        routing = {"filters": filters, "default_filter": {"queue": queue.sid}}
        workflow = workspace.workflows.create(
            friendly_name="All", configuration=json.dumps({"task_routing": routing})
        )
        self.task = workspace.tasks.create(workflow_sid=workflow.sid, attributes="{}")
        self.lost = workspace.tasks.create(workflow_sid=workflow.sid, attributes='{"lost": true}')
        worker = workspace.workers(self.mine.sid)
        self.reservation = eventually("the task is offered", worker.reservations.list)[0]
        self.queue, self.workflow = queue, workflow

    def token(self, role, worker_sid="", workspace_sid=None):
        claims = access(
            self.key.sid, self.daemon.account_sid, workspace_sid or self.workspace.sid, role, worker_sid
        )
        return bearer(sign(claims, self.key.secret, ACCESS_HEADER))

    def status(self, token, method, path, **data):
        response = send(self.daemon, method, self.base + path, token, data=data or None)
        if response.status_code == 403:
            assert_problem(response, 403, 20006)
        return response.status_code


@pytest.fixture
def world(daemon, workspace, key):
    return World(daemon, workspace, key)


def test_a_worker_acts_for_itself_and_reads_around(world):
    token, me, wt = world.token("worker", world.mine.sid), f"/Workers/{world.mine.sid}", world.task.sid
    wr = world.reservation.sid
    for path in ("", "/Activities", "/TaskChannels", "/TaskQueues", f"/TaskQueues/{world.queue.sid}",
                 "/Workers", me, f"/Workers/{world.other.sid}", f"{me}/Channels", f"{me}/Channels/default",
                 f"{me}/Reservations", f"{me}/Reservations/{wr}", f"/Tasks/{wt}", f"/Tasks/{wt}/Reservations",
                 f"/Tasks/{wt}/Reservations/{wr}"):  # fmt: skip
        assert world.status(token, "GET", path) == 200, path
    assert world.status(token, "POST", me, Attributes='{"n": 1}') == 200
    assert world.status(token, "POST", f"{me}/Reservations/{wr}", ReservationStatus="accepted") == 200
    assert world.status(token, "POST", f"/Tasks/{wt}", Attributes="{}") == 200
    assert world.status(token, "POST", f"/Tasks/{wt}/Reservations/{wr}", ReservationStatus="wrapping") == 200
    assert world.status(token, "POST", f"/Tasks/{wt}", AssignmentStatus="completed") == 200
    assert world.status(token, "POST", f"/Tasks/{wt}", Attributes="{}") == 403


def test_a_worker_creates_tasks_routed_to_itself_only(world):
    token = world.token("worker", world.mine.sid)
    form = {"WorkflowSid": world.workflow.sid, "Attributes": "{}"}
    assert world.status(token, "POST", "/Tasks", **form, RoutingTarget=world.mine.sid) == 201
    assert world.status(token, "POST", "/Tasks", **form, RoutingTarget=world.other.sid) == 403
    assert world.status(token, "POST", "/Tasks", **form) == 403


def test_a_worker_may_nothing_else(world):
    token, other, lost = world.token("worker", world.mine.sid), f"/Workers/{world.other.sid}", world.lost.sid
    for method, path in (
        ("POST", other), ("DELETE", f"/Workers/{world.mine.sid}"), ("GET", f"{other}/Reservations"),
        ("GET", f"{other}/Channels"), ("POST", f"/Workers/{world.mine.sid}/Channels/default"),
        ("GET", "/Tasks"), ("GET", f"/Tasks/{lost}"), ("POST", f"/Tasks/{lost}"),
        ("DELETE", f"/Tasks/{lost}"), ("DELETE", f"/Tasks/{world.task.sid}"),
        ("GET", f"/Tasks/{world.task.sid}/Explain"), ("GET", "/Events"), ("GET", "/Workflows"),
        ("POST", "/Workers"), ("POST", "/TaskQueues"), ("POST", ""), ("DELETE", ""),
        ("GET", f"/Tasks/WT{'0' * 32}"),
    ):  # fmt: skip
        assert world.status(token, method, path) == 403, (method, path)
    assert send(world.daemon, "GET", "/Workspaces", token).status_code == 403
    assert send(world.daemon, "POST", "/Workspaces", token).status_code == 403


def test_another_worker_of_the_workspace_sees_nothing_of_the_reservation(world):
    token, wr = world.token("worker", world.other.sid), world.reservation.sid
    for method, path in (
        ("GET", f"/Tasks/{world.task.sid}"), ("POST", f"/Tasks/{world.task.sid}/Reservations/{wr}"),
        ("POST", f"/Workers/{world.mine.sid}/Reservations/{wr}"),
    ):  # fmt: skip
        assert world.status(token, method, path, ReservationStatus="rejected") == 403, (method, path)


def test_a_worker_transfers_from_its_own_reservation_only(world):
    token, other = world.token("worker", world.mine.sid), world.token("worker", world.other.sid)
    wr, transfers = world.reservation.sid, f"/Tasks/{world.task.sid}/Transfers"
    mine, theirs, to = world.mine.sid, world.other.sid, world.queue.sid
    accepted = f"/Tasks/{world.task.sid}/Reservations/{wr}"
    assert world.status(token, "POST", accepted, ReservationStatus="accepted") == 200
    assert world.status(token, "POST", transfers, To=to) == 403
    assert world.status(token, "POST", transfers, To=to, WorkerSid=theirs) == 403
    assert world.status(token, "POST", transfers, To=to, ReservationSid=wr, WorkerSid=theirs) == 403
    assert world.status(other, "POST", transfers, To=to, ReservationSid=wr) == 403
    assert world.status(token, "POST", transfers, To=to, ReservationSid=wr) == 201
    made = send(world.daemon, "GET", world.base + transfers, token).json()["transfers"][0]["sid"]
    for method, path in (("GET", transfers), ("GET", f"{transfers}/{made}"), ("POST", f"{transfers}/{made}")):
        assert world.status(other, method, path, TransferStatus="canceled") == 403, (method, path)
    assert world.status(token, "GET", f"{transfers}/{made}") == 200
    assert world.status(token, "POST", f"{transfers}/{made}", TransferStatus="canceled") == 200
    assert world.status(token, "POST", transfers, To=to, WorkerSid=mine) == 201


def test_a_supervisor_hands_on_anybody_s_tasks(world):
    worker, token = world.token("worker", world.mine.sid), world.token("supervisor", world.other.sid)
    accepted = f"/Tasks/{world.task.sid}/Reservations/{world.reservation.sid}"
    assert world.status(worker, "POST", accepted, ReservationStatus="accepted") == 200
    assert world.status(token, "POST", f"/Tasks/{world.task.sid}/Transfers", To=world.queue.sid) == 201


def test_a_supervisor_reads_everything_and_changes_work(world):
    token, me, wt = world.token("supervisor", world.mine.sid), f"/Workers/{world.mine.sid}", world.task.sid
    for path in ("", "/Workers", "/Tasks", f"/Tasks/{world.lost.sid}", f"/Tasks/{wt}/Explain", "/Events",
                 "/Workflows", f"{me}/Reservations"):  # fmt: skip
        assert world.status(token, "GET", path) == 200, path
    assert world.status(token, "POST", f"/Workers/{world.other.sid}", Attributes='{"n": 3}') == 200
    assert world.status(token, "POST", f"/Workers/{world.other.sid}/Channels/default", Capacity="2") == 200
    assert world.status(token, "POST", f"/Tasks/{wt}", Priority="7") == 200
    wr = world.reservation.sid
    assert world.status(token, "POST", f"{me}/Reservations/{wr}", ReservationStatus="accepted") == 200
    for method, path in (("DELETE", f"/Tasks/{wt}"), ("POST", "/Workers"), ("POST", "/TaskQueues"),
                         ("POST", ""), ("DELETE", me),
                         ("POST", f"/Workflows/{world.workflow.sid}")):  # fmt: skip
        assert world.status(token, method, path) == 403, (method, path)


def test_an_admin_may_everything_in_the_workspace(world):
    token = world.token("admin")
    assert world.status(token, "POST", "/Workers", FriendlyName="Cy") == 201
    assert world.status(token, "POST", "", FriendlyName="Renamed") == 200
    assert world.status(token, "DELETE", f"/Tasks/{world.lost.sid}") == 204
    assert world.status(token, "DELETE", "") == 403
    assert send(world.daemon, "GET", "/Workspaces", token).status_code == 403


@pytest.mark.parametrize("role", ["worker", "supervisor", "admin"])
def test_no_role_reaches_another_workspace(world, client, role):
    another = client.taskrouter.v1.workspaces.create(friendly_name="Another")
    token = world.token(role, world.mine.sid)
    for sid in (another.sid, "WS" + "0" * 32):
        assert_problem(send(world.daemon, "GET", f"/Workspaces/{sid}", token), 403, 20006)
    another.delete()
    assert_problem(send(world.daemon, "GET", f"/Workspaces/{another.sid}", token), 403, 20006)


def test_the_default_worker_capability_of_the_official_client(world):
    token = bearer(_capable(world, WorkerCapabilityToken, world.mine.sid))
    me = f"/Workers/{world.mine.sid}"
    for path in (me, "/Activities", f"{me}/Reservations", f"{me}/Reservations/{world.reservation.sid}",
                 f"/Tasks/{world.task.sid}"):  # fmt: skip
        assert world.status(token, "GET", path) == 200, path
    for method, path in (("GET", ""), ("GET", "/Workers"), ("POST", me), ("DELETE", me),
                         ("GET", f"{me}/Channels"), ("GET", f"/Workers/{world.other.sid}"),
                         ("POST", f"{me}/Reservations/{world.reservation.sid}"),
                         ("POST", "/Tasks")):  # fmt: skip
        assert world.status(token, method, path) == 403, (method, path)


def test_a_worker_capability_to_change_the_activity_changes_nothing_else(world):
    token = bearer(_capable(world, WorkerCapabilityToken, world.mine.sid, allow_update_activities=True))
    me = f"/Workers/{world.mine.sid}"
    assert world.status(token, "POST", me, ActivitySid=world.activity_sid) == 200
    assert world.status(token, "POST", me, Attributes="{}") == 403
    assert world.status(token, "POST", me, ActivitySid=world.activity_sid, Attributes="{}") == 403


def test_a_worker_capability_to_update_reservations(world):
    token = bearer(_capable(world, WorkerCapabilityToken, world.mine.sid, allow_update_reservations=True))
    path = f"/Workers/{world.mine.sid}/Reservations/{world.reservation.sid}"
    assert world.status(token, "POST", path, ReservationStatus="accepted") == 200


def test_workspace_and_queue_capabilities_with_subresources(world):
    whole = bearer(_capable(world, WorkspaceCapabilityToken, allow_fetch_subresources=True))
    for path in ("", "/Workers", f"/Workers/{world.other.sid}", f"/Tasks/{world.task.sid}/Reservations"):
        assert world.status(whole, "GET", path) == 200, path
    assert world.status(whole, "POST", "/Workers", FriendlyName="x") == 403
    assert send(world.daemon, "GET", "/Workspaces", whole).status_code == 403
    queue = bearer(_capable(world, TaskQueueCapabilityToken, world.queue.sid))
    assert world.status(queue, "GET", f"/TaskQueues/{world.queue.sid}") == 200
    assert world.status(queue, "GET", "/TaskQueues") == 403


def test_deleting_below_does_not_delete_the_workspace(world):
    token = bearer(_capable(world, WorkspaceCapabilityToken, allow_delete_subresources=True))
    assert world.status(token, "DELETE", "") == 403
    assert world.status(token, "DELETE", f"/Tasks/{world.lost.sid}") == 204


def _capable(world, kind, *sids, **allowed):
    account_sid, auth_token = world.daemon.account_sid, world.daemon.auth_token
    return kind(account_sid, auth_token, world.workspace.sid, *sids, **allowed).to_jwt()
