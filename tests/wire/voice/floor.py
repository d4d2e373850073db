"""Who takes calls in the tests of voice instructions, and what they are told to do."""

import json

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.wire.support import eventually

TIMEOUT_S = 2.0
"""How long the daemon gives the gateway."""
CALL = "CA" + "a" * 32
CONTACT = "sip:alice@phones.example"
NOBODY = "0" * 32
CALLING = {"Instruction": "call", "CallFrom": "+1", "CallUrl": "http://a.example/"}
REDIRECTING = {"Instruction": "redirect", "RedirectCallSid": CALL, "RedirectUrl": "http://a.example/"}


class Floor:
    """One worker with a telephone, and tasks that are calls."""

    def __init__(self, workspace, http, **worker):
        self.workspace, self.http = workspace, http
        self.activities = {a.friendly_name: a.sid for a in workspace.activities.list()}
        attributes = json.dumps(worker.get("attributes", {"contact_uri": CONTACT}))
        self.worker = workspace.workers.create(
            friendly_name="Alice", activity_sid=self.activities["Available"], attributes=attributes
        )

    def task(self, **attributes):
        given = {"call_sid": CALL, "from": "+15550001", "to": "+15550002", "called": "+15550003"}
        return self.workspace.tasks.create(attributes=json.dumps(given | attributes))

    def reservation(self, task=None, **attributes):
        """The pending reservation of a (new) task, on the task's side."""
        task = task or self.task(**attributes)

        def pending():
            return next(iter(task.reservations.list(reservation_status="pending")), None)

        return eventually("a pending reservation", pending)

    def path(self, reservation):
        return f"/Workspaces/{self.workspace.sid}/Tasks/{reservation.task_sid}/Reservations/{reservation.sid}"

    def attributes(self, reservation):
        return json.loads(self.workspace.tasks(reservation.task_sid).fetch().attributes)

    def snapshot(self, reservation):
        """What must stay as it was when an instruction is refused."""
        now = self.http.get(self.path(reservation))
        task = self.workspace.tasks(reservation.task_sid).fetch()
        return now.json(), now.headers["ETag"], task.attributes, task.assignment_status


def refusal(call):
    with pytest.raises(TwilioRestException) as caught:
        call()
    return caught.value


def everything(floor):
    """Each instruction with all its fields as the client sends them, and as they have to arrive."""
    activity = floor.activities["Offline"]
    hook = "https://hooks.example/status"
    dequeue = {
        "dequeue_post_work_activity_sid": activity,
        "dequeue_from": "+15550100",
        "dequeue_record": "record-from-answer",
        "dequeue_timeout": 30,
        "dequeue_to": "client:alice",
        "dequeue_status_callback_url": hook,
        "dequeue_status_callback_event": ["initiated", "ringing", "answered", "completed"],
    }
    call = {
        "call_from": "+15550100",
        "call_record": "record-from-answer",
        "call_timeout": 999,
        "call_to": "client:alice",
        "call_url": "https://hooks.example/twiml",
        "call_status_callback_url": hook,
        "call_accept": True,
    }
    redirect = {"redirect_call_sid": CALL, "redirect_accept": True, "redirect_url": hook}
    conference = {
        "to": "client:alice",
        "from_": "+15550100",
        "status_callback": hook,
        "status_callback_method": "GET",
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
        "timeout": 45,
        "record": True,
        "muted": True,
        "beep": "onEnter",
        "start_conference_on_enter": False,
        "end_conference_on_exit": True,
        "wait_url": "https://hooks.example/music",
        "wait_method": "GET",
        "early_media": False,
        "max_participants": 3,
        "conference_status_callback": hook,
        "conference_status_callback_method": "GET",
        "conference_status_callback_event": ["start", "end", "join", "leave", "mute", "hold", "speaker"],
        "conference_record": "record-from-start",
        "conference_trim": "do-not-trim",
        "recording_channels": "dual",
        "recording_status_callback": hook,
        "recording_status_callback_method": "GET",
        "conference_recording_status_callback": hook,
        "conference_recording_status_callback_method": "GET",
        "region": "ie1",
        "sip_auth_username": "alice",
        "sip_auth_password": "secret",
        "post_work_activity_sid": activity,
        "end_conference_on_customer_exit": True,
        "beep_on_customer_entrance": False,
        "jitter_buffer_size": "large",
    }
    return {"dequeue": dequeue, "call": call, "redirect": redirect, "conference": conference}
