"""Transfers over HTTP: hand a task on, list, fetch, cancel; who may; what is refused."""

import json

import pytest

from tests.wire.support import assert_problem, eventually

KEYS = [
    "account_sid", "date_created", "date_updated", "initiating_queue_sid", "initiating_reservation_sid",
    "initiating_worker_sid", "initiating_workflow_sid", "priority", "sid", "task_sid",
    "transfer_failed_reason", "transfer_mode", "transfer_status", "transfer_to", "transfer_type",
    "workspace_sid", "url", "links",
]  # fmt: skip


class Desk:
    """ann holds a task; bob and cai are there, in the queue `second`."""

    def __init__(self, http, workspace):
        self.http, self.workspace, self.base = http, workspace, f"/Workspaces/{workspace.sid}"
        idle = next(a.sid for a in workspace.activities.list() if a.available)
        self.offline = next(a.sid for a in workspace.activities.list() if not a.available)
        self.ann, self.bob, self.cai = (
            workspace.workers.create(
                friendly_name=name, activity_sid=idle, attributes=json.dumps({"n": n})
            ).sid
            for n, name in enumerate(("ann", "bob", "cai"))
        )
        self.first = workspace.task_queues.create(friendly_name="first", target_workers="n == 0").sid
        self.second = workspace.task_queues.create(friendly_name="second", target_workers="n > 0").sid
        self.flow = workspace.workflows.create(
            friendly_name="to first",
            configuration=json.dumps({"task_routing": {"default_filter": {"queue": self.first}}}),
        ).sid
        self.task = workspace.tasks.create(workflow_sid=self.flow, attributes="{}").sid
        self.path = f"{self.base}/Tasks/{self.task}"
        self.mine = self.offer(self.ann)
        self.answer(self.mine, "accepted")

    def offer(self, worker_sid, status="pending"):
        query = {"WorkerSid": worker_sid, "ReservationStatus": status}

        def probe():
            return self.http.get(f"{self.path}/Reservations", params=query).json()["reservations"]

        return eventually(f"a {status} reservation of {worker_sid}", probe)[-1]["sid"]

    def answer(self, sid, status):
        response = self.http.post(f"{self.path}/Reservations/{sid}", {"ReservationStatus": status})
        assert response.status_code == 200, response.text

    def hand(self, to, **fields):
        return self.http.post(f"{self.path}/Transfers", {"To": to, **fields})

    def cancel(self, sid, **options):
        return self.http.post(f"{self.path}/Transfers/{sid}", {"TransferStatus": "canceled"}, **options)

    def status(self):
        return self.http.get(self.path).json()["assignment_status"]

    def all(self, **query):
        return self.http.get(f"{self.path}/Transfers", params=query).json()["transfers"]


@pytest.fixture
def desk(http, workspace):
    return Desk(http, workspace)


def test_a_transfer_is_created_fetched_and_listed(desk):
    response = desk.hand(desk.bob, ReservationSid=desk.mine, Priority="5")
    assert response.status_code == 201, response.text
    assert response.headers["ETag"] == "0"
    made = response.json()
    assert list(made) == KEYS
    task_url = f"{desk.http.daemon.url}/v1{desk.path}"
    assert {name: made[name] for name in KEYS if name not in {"account_sid", "workspace_sid"}} == {
        "date_created": made["date_updated"],
        "date_updated": made["date_updated"],
        "initiating_queue_sid": desk.first,
        "initiating_reservation_sid": desk.mine,
        "initiating_worker_sid": desk.ann,
        "initiating_workflow_sid": desk.flow,
        "priority": 5,
        "sid": made["sid"],
        "task_sid": desk.task,
        "transfer_failed_reason": None,
        "transfer_mode": "WARM",
        "transfer_status": "initiated",
        "transfer_to": desk.bob,
        "transfer_type": "WORKER",
        "url": f"{task_url}/Transfers/{made['sid']}",
        "links": {
            "task": task_url,
            "initiating_reservation": f"{task_url}/Reservations/{desk.mine}",
            "initiating_worker": f"{desk.http.daemon.url}/v1{desk.base}/Workers/{desk.ann}",
            "to": f"{desk.http.daemon.url}/v1{desk.base}/Workers/{desk.bob}",
            "workspace": f"{desk.http.daemon.url}/v1{desk.base}",
        },
    }
    assert desk.http.get(f"{desk.path}/Transfers/{made['sid']}").json() == made
    assert desk.all() == [made]
    assert desk.status() == "reserved"


def test_an_accepted_transfer_is_complete_and_both_hold_the_task(desk):
    sid = desk.hand(desk.bob, WorkerSid=desk.ann).json()["sid"]
    desk.answer(desk.offer(desk.bob), "accepted")
    assert [each["transfer_status"] for each in desk.all()] == ["complete"]
    assert desk.status() == "assigned"
    desk.answer(desk.mine, "completed")
    assert desk.status() == "assigned"
    desk.answer(desk.offer(desk.bob, "accepted"), "completed")
    assert desk.status() == "completed"
    response = desk.cancel(sid)
    message = assert_problem(response, 400, 20001)
    assert message == f"Transfer {sid} is already complete . Cannot cancel transfer."


def test_a_refused_transfer_fails_and_says_why(desk):
    desk.hand(desk.bob)
    desk.answer(desk.offer(desk.bob), "rejected")
    (failed,) = desk.all(TransferStatus="failed")
    assert failed["transfer_failed_reason"] == "Transfer failed because the reservation was rejected"
    assert desk.status() == "assigned"


def test_a_cold_transfer_to_a_queue_lets_the_worker_go(desk):
    made = desk.hand(desk.second, Mode="COLD").json()
    assert (made["transfer_mode"], made["transfer_type"]) == ("COLD", "QUEUE")
    assert made["links"]["to"].endswith(f"/TaskQueues/{desk.second}")
    desk.answer(desk.mine, "completed")
    desk.answer(desk.offer(desk.bob), "accepted")
    assert desk.status() == "assigned"
    assert desk.all()[0]["transfer_status"] == "complete"


def test_a_transfer_is_canceled_once_and_by_its_version(desk):
    sid = desk.hand(desk.bob).json()["sid"]
    assert_problem(desk.cancel(sid, headers={"If-Match": "7"}), 412, 20412)
    response = desk.cancel(sid, headers={"If-Match": '"0"'})
    assert response.status_code == 200
    assert response.headers["ETag"] == "1"
    assert response.json()["transfer_status"] == "canceled"
    message = assert_problem(desk.cancel(sid), 400, 20001)
    assert message == f"Transfer {sid} is already canceled . Cannot cancel transfer."
    assert desk.status() == "assigned"


def test_an_update_that_asks_for_nothing_answers_the_transfer(desk):
    made = desk.hand(desk.bob).json()
    path = f"{desk.path}/Transfers/{made['sid']}"
    assert desk.http.post(path).json() == made
    assert_problem(desk.http.post(path, headers={"If-Match": "9"}), 412, 20412)


def test_a_repeated_request_makes_one_transfer(desk):
    headers = {"Idempotency-Key": f"once {desk.task}"}
    form = {"To": desk.bob}
    first, second = (desk.http.post(f"{desk.path}/Transfers", form, headers=headers) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    assert len(desk.all()) == 1


def test_transfers_come_in_pages(desk):
    made = []
    for _ in range(3):
        made.append(desk.hand(desk.bob).json()["sid"])
        desk.cancel(made[-1])
    page = desk.http.get(f"{desk.path}/Transfers", params={"PageSize": 2}).json()
    assert [each["sid"] for each in page["transfers"]] == made[:2]
    following = desk.http.session.get(page["meta"]["next_page_url"]).json()
    assert [each["sid"] for each in following["transfers"]] == made[2:]
    assert desk.all(TransferStatus="initiated") == []


def test_what_cannot_be_transferred_is_refused_with_the_reason(desk, workspace):
    def refused(response, says):
        assert says in assert_problem(response, 400, 20001)

    refused(desk.hand(desk.ann), "has it already")
    refused(desk.http.post(f"{desk.path}/Transfers"), "To")
    refused(desk.hand("WA" + "0" * 32), "To")
    refused(desk.hand(desk.bob, Mode="LUKEWARM"), "Mode")
    refused(desk.hand(desk.bob, Priority="-1"), "Priority")
    refused(desk.hand(desk.bob, Attributes="[1]"), "Attributes")
    workspace.workers(desk.bob).update(activity_sid=desk.offline)
    refused(desk.hand(desk.bob), "is not available: its activity is not available")
    desk.hand(desk.cai)
    refused(desk.hand(desk.second), "is initiated")
    refused(desk.http.post(desk.path, {"AssignmentStatus": "completed"}), "Cancel the transfer first")
    refused(desk.http.post(desk.path, {"AssignmentStatus": "wrapping"}), "Cancel the transfer first")
    refused(desk.http.post(desk.path, {"AssignmentStatus": "canceled"}), "Cannot cancel task")
    mine = f"{desk.path}/Reservations/{desk.mine}"
    refused(desk.http.post(mine, {"ReservationStatus": "completed"}), "Cannot complete reservation")
    transfer = desk.all()[0]["sid"]
    refused(
        desk.http.post(f"{desk.path}/Transfers/{transfer}", {"TransferStatus": "failed"}), "TransferStatus"
    )


def test_what_is_not_there_is_not_found(desk):
    for response in (
        desk.hand("WK" + "0" * 32),
        desk.hand("WQ" + "0" * 32),
        desk.hand(desk.bob, ReservationSid="WR" + "0" * 32),
        desk.hand(desk.bob, WorkerSid="WK" + "0" * 32),
    ):
        assert assert_problem(response, 400, 20001).endswith("was not found")
    for response in (
        desk.cancel("TT" + "0" * 32),
        desk.http.get(f"{desk.path}/Transfers/TT{'0' * 32}"),
        desk.http.get(f"{desk.base}/Tasks/WT{'0' * 32}/Transfers"),
        desk.http.post(f"{desk.base}/Tasks/WT{'0' * 32}/Transfers", {"To": desk.bob}),
    ):
        assert_problem(response, 404, 20404)


def test_a_finished_task_and_an_ended_reservation_say_why_they_are_not_transferred(desk):
    desk.hand(desk.bob)
    theirs = desk.offer(desk.bob)
    desk.answer(theirs, "rejected")
    message = assert_problem(desk.hand(desk.cai, ReservationSid=theirs), 400, 20001)
    assert message.endswith(f"because reservation {theirs} is rejected.")
    desk.answer(desk.mine, "completed")
    assert "its status is completed" in assert_problem(desk.hand(desk.cai), 400, 20001)


def test_a_deleted_task_takes_its_transfers_along(desk):
    sid = desk.hand(desk.bob).json()["sid"]
    assert desk.http.delete(desk.path).status_code == 204
    assert_problem(desk.http.get(f"{desk.path}/Transfers/{sid}"), 404, 20404)
    assert_problem(desk.cancel(sid), 404, 20404)


def test_the_log_tells_of_a_transfer_and_the_reservation_of_its_own(desk):
    sid = desk.hand(desk.bob).json()["sid"]
    desk.answer(desk.offer(desk.bob), "accepted")

    def told():
        query = {"TaskSid": desk.task, "PageSize": 100}
        events = desk.http.get(f"{desk.base}/Events", params=query).json()["events"]
        return {event["event_type"]: event["event_data"] for event in reversed(events)}

    events = eventually("the log has it", lambda: (found := told()).get("task.transfer-completed") and found)
    initiated, completed = events["task.transfer-initiated"], events["task.transfer-completed"]
    assert (initiated["transfer_sid"], initiated["transfer_status"]) == (sid, "initiated")
    assert (completed["transfer_to"], completed["transfer_status"]) == (desk.bob, "complete")
    assert events["reservation.accepted"]["transfer_sid"] == sid
