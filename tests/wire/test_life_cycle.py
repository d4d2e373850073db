"""A task's whole life, driven by the official client against a real receiver of callbacks."""

import json

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from tests.wire.support import eventually


@pytest.fixture
def centre(workspace):
    """What a small support centre needs, by short names."""
    return Centre(workspace)


class Centre:
    def __init__(self, workspace):
        self.workspace = workspace
        self.activities = {a.friendly_name: a.sid for a in workspace.activities.list()}
        self.workflow = workspace.workflows.list()[0]

    def worker(self, name, activity="Available", **capacities):
        worker = self.workspace.workers.create(friendly_name=name, activity_sid=self.activities[activity])
        for channel, capacity in capacities.items():
            worker.worker_channels(channel).update(capacity=capacity)
        return worker

    def task(self, **fields):
        return self.workspace.tasks.create(
            workflow_sid=self.workflow.sid, attributes=json.dumps({"kind": "support"}), **fields
        )

    def reservation(self, task, status=None):
        """The task's first reservation (of a status), once there is one."""

        def probe():
            return next(
                iter(
                    task.reservations.list(reservation_status=status) if status else task.reservations.list()
                ),
                None,
            )

        return eventually(f"a {status or 'new'} reservation of {task.sid}", probe)

    def status(self, task, expected):
        eventually(f"task {task.sid} is {expected}", lambda: task.fetch().assignment_status == expected)


def test_a_callback_that_accepts_assigns_the_task(daemon, centre, receiver):
    receiver.answer = lambda call: {"instruction": "accept"} if call.path == "/assign" else {}
    centre.workflow.update(assignment_callback_url=f"{receiver.url}/assign")
    centre.workspace.update(event_callback_url=f"{receiver.url}/events")
    worker = centre.worker("Alice")
    task = centre.task(priority=7)
    assert task.assignment_status == "pending"
    centre.status(task, "assigned")
    (call,) = [call for call in receiver.calls if call.path == "/assign"]
    assert call.form["TaskSid"] == task.sid
    assert call.form["WorkerSid"] == worker.sid
    assert json.loads(call.form["TaskAttributes"]) == {"kind": "support"}
    assert call.form["TaskPriority"] == "7"
    signature = call.headers["X-Twilio-Signature"]
    assert RequestValidator(daemon.auth_token).validate(f"{receiver.url}/assign", call.form, signature)
    reservation = centre.reservation(task, "accepted")
    assert reservation.worker_name == "Alice"
    assert task.update(assignment_status="completed", reason="solved").assignment_status == "completed"
    assert reservation.fetch().reservation_status == "completed"
    for event_type in ("task.created", "reservation.created", "reservation.accepted", "task.completed"):
        eventually(f"the event {event_type}", lambda name=event_type: receiver.named(name))


def test_a_callback_that_rejects_sends_the_task_on(centre, receiver):
    refusing = centre.worker("Alice")
    offline = centre.activities["Offline"]

    def answer(call):
        if call.form.get("WorkerSid") == refusing.sid:
            return {"instruction": "reject", "activity_sid": offline}
        return {"instruction": "accept"}

    receiver.answer = answer
    centre.workflow.update(assignment_callback_url=receiver.url)
    task = centre.task()
    rejected = centre.reservation(task, "rejected")
    assert rejected.worker_sid == refusing.sid
    assert refusing.fetch().activity_name == "Offline"
    centre.status(task, "pending")
    other = centre.worker("Bob")
    centre.status(task, "assigned")
    assert centre.reservation(task, "accepted").worker_sid == other.sid


def test_a_reservation_that_times_out_moves_the_worker_away(centre):
    centre.workflow.update(task_reservation_timeout=1)
    worker = centre.worker("Alice")
    task = centre.task()
    reservation = centre.reservation(task, "timeout")
    assert reservation.worker_sid == worker.sid
    assert worker.fetch().activity_name == "Offline"
    centre.status(task, "pending")


def test_of_two_workers_who_are_asked_the_first_to_accept_gets_the_task(centre):
    queue = centre.workspace.task_queues.list()[0]
    queue.update(max_reserved_workers=2)
    centre.worker("Alice"), centre.worker("Bob")
    task = centre.task()
    eventually("two reservations", lambda: len(task.reservations.list()) == 2)
    first, second = task.reservations.list()
    accepted = (
        centre.workspace.workers(second.worker_sid)
        .reservations(second.sid)
        .update(reservation_status="accepted")
    )
    assert accepted.reservation_status == "accepted"
    assert first.fetch().reservation_status == "rescinded"
    with pytest.raises(TwilioRestException) as caught:
        first.update(reservation_status="accepted")
    assert caught.value.status == 410
    centre.status(task, "assigned")


def test_a_worker_takes_tasks_of_two_channels_at_once(centre):
    worker = centre.worker("Alice", chat=2)
    chats = [centre.task(task_channel="chat") for _ in range(3)]
    call = centre.task(task_channel="voice")
    for task in (*chats[:2], call):
        centre.reservation(task).update(reservation_status="accepted")
        centre.status(task, "assigned")
    assert chats[2].fetch().assignment_status == "pending"
    channel = worker.worker_channels("chat").fetch()
    assert (channel.assigned_tasks, channel.available_capacity_percentage) == (2, 0)
    assert worker.worker_channels("sms").fetch().available_capacity_percentage == 100
    chats[0].update(assignment_status="completed", reason="done")
    centre.reservation(chats[2], "pending")


def test_instructions_accept_and_reject_are_followed_natively(centre):
    centre.worker("Alice")
    task = centre.task()
    reservation = centre.reservation(task, "pending")
    offline = centre.activities["Offline"]
    rejected = reservation.update(instruction="reject", worker_activity_sid=offline)
    assert rejected.reservation_status == "rejected"
    centre.status(task, "pending")
    worker = centre.worker("Bob")
    reservation = centre.reservation(task, "pending")
    accepted = worker.reservations(reservation.sid).update(instruction="accept")
    assert accepted.reservation_status == "accepted"
    assert (
        worker.reservations(reservation.sid).update(reservation_status="wrapping").reservation_status
        == "wrapping"
    )
    centre.status(task, "wrapping")
    assert reservation.update(reservation_status="completed").reservation_status == "completed"
    centre.status(task, "completed")


def test_a_deleted_task_is_gone_with_its_reservations(centre):
    centre.worker("Alice")
    task = centre.task()
    reservation = centre.reservation(task)
    assert task.delete() is True
    for fetch in (task.fetch, reservation.fetch, task.reservations.list):
        with pytest.raises(Exception, match=r"was not found|Unable to fetch page"):
            fetch()


def test_a_canceled_task_keeps_its_reason_and_can_still_be_fetched(centre):
    task = centre.task()
    canceled = task.update(assignment_status="canceled", reason="hung up")
    assert (canceled.assignment_status, canceled.reason) == ("canceled", "hung up")
    fetched = task.fetch()
    assert (fetched.assignment_status, fetched.reason) == ("canceled", "hung up")
    assert task.sid in [t.sid for t in centre.workspace.tasks.list(assignment_status=["canceled"])]
