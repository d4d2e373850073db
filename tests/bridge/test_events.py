"""What sockets are told of what is committed: to whom, when, and with which figures."""

import asyncio
import json
import time

from tests.bridge.support import Desk


async def accept(desk: Desk, sid: str, name: str = "alice") -> None:
    url = f"{desk.wk(name)}/Reservations/{sid}"
    assert (await desk.call("POST", url, {"ReservationStatus": "accepted"}, name=name)).status == 200


async def test_the_answer_to_a_call_comes_before_its_event(desk: Desk) -> None:
    client = await desk.connect()
    _, sid = await desk.offer()
    await client.next("reservation.created")
    await accept(desk, sid)
    answered_s = time.monotonic()
    told = await client.next("reservation.accepted")
    assert time.monotonic() > answered_s
    assert (told["sid"], told["reservation_status"], told["version"]) == (sid, "accepted", 1)
    assert told["task"]["assignment_status"] == "assigned"


async def test_who_was_connected_at_the_commit_is_told_and_nobody_else(desk: Desk) -> None:
    before = await desk.connect()
    await desk.call("POST", desk.wk("alice"), {"Attributes": {"n": 1}})
    after = await desk.connect()
    other = await desk.connect("bob")
    told = await before.next("worker.attributes.update")
    assert json.loads(told["attributes"]) == {"n": 1}
    assert await after.quiet() == []
    assert await other.quiet() == []


async def test_a_workers_version_is_that_of_the_event(desk: Desk) -> None:
    """The SDK counts it along: an activity that brings an offer with it must not tell both at once."""
    client = await desk.connect()
    for name in ("alice", "bob"):
        await desk.call("POST", desk.wk(name), {"ActivitySid": desk.activities["Offline"]}, name=name)
    version = (await client.next("worker.activity.update"))["version"]
    await desk.rest("POST", f"{desk.path}/Tasks", WorkflowSid=desk.workflow)
    await desk.call("POST", desk.wk("alice"), {"ActivitySid": desk.activities["Available"]})
    told = await client.next("worker.activity.update")
    assert (told["version"], told["available"]) == (version + 1, True)
    await client.next("reservation.created")
    assert (await desk.call("GET", desk.wk("alice"))).payload["version"] == version + 2


async def test_what_a_client_has_read_is_not_told_again(desk: Desk) -> None:
    token = desk.token("alice")
    client = await desk.connect(token=token)
    _, sid = await desk.offer()
    read = await desk.call("GET", f"{desk.wk('alice')}/Reservations", {"Active": "true"}, token=token)
    assert [each["sid"] for each in read.payload["contents"]] == [sid]
    await accept(desk, sid)
    assert await client.quiet() == ["reservation.accepted"]


async def test_what_is_committed_after_a_client_has_read_is_told(desk: Desk) -> None:
    token = desk.token("alice")
    client = await desk.connect(token=token)
    for what in (
        f"{desk.ws}/Activities",
        f"{desk.wk('alice')}/WorkerChannels",
        f"{desk.wk('alice')}/Reservations",
    ):
        assert (await desk.call("GET", what, token=token)).status == 200
    _, sid = await desk.offer()
    assert (await client.next("reservation.created"))["sid"] == sid
    await accept(desk, sid)
    await client.next("reservation.accepted")


async def test_a_client_that_cannot_know_an_activity_is_made_to_read_again(desk: Desk) -> None:
    token = desk.token("alice")
    client, other = await desk.connect(token=token), await desk.connect("bob")
    assert (await desk.call("GET", f"{desk.ws}/Activities", token=token)).status == 200
    made = await desk.rest("POST", f"{desk.path}/Activities", FriendlyName="Lunch", Available="false")
    await desk.rest("POST", f"{desk.path}/Workers/{desk.workers['alice']}", ActivitySid=made["sid"])
    assert (await client.closed())[1] == "The activities or channels have changed"
    again = await desk.connect(token=token)
    assert (await desk.call("GET", desk.wk("alice"), token=token)).payload["activity_name"] == "Lunch"
    assert await again.quiet() == []
    await other.heartbeat()


async def test_an_activity_made_later_is_told_as_what_it_is(desk: Desk) -> None:
    client = await desk.connect()
    made = await desk.rest("POST", f"{desk.path}/Activities", FriendlyName="Ready", Available="true")
    await desk.rest("POST", f"{desk.path}/Workers/{desk.workers['alice']}", ActivitySid=made["sid"])
    told = await client.next("worker.activity.update")
    assert (told["activity_name"], told["available"]) == ("Ready", True)


async def test_a_change_that_changes_nothing_is_not_told(desk: Desk) -> None:
    client = await desk.connect()
    await desk.call("POST", desk.wk("alice"), {"ActivitySid": desk.activities["Available"]})
    assert await client.quiet() == []


async def test_channels_are_told_with_their_figures(desk: Desk) -> None:
    client = await desk.connect()
    path = f"{desk.path}/Workers/{desk.workers['alice']}/Channels/voice"
    await desk.rest("POST", path, Capacity="4", Available="false")
    capacity = await client.next("worker.capacity.update")
    assert (capacity["configured_capacity"], capacity["task_channel_unique_name"]) == (4, "voice")
    assert (await client.next("worker.channel.availability.update"))["available"] is False


async def test_a_task_that_was_never_offered_fails_for_its_worker(desk: Desk) -> None:
    client = await desk.connect()
    gone = {"ActivitySid": desk.activities["Offline"]}
    await desk.rest("POST", f"{desk.path}/Workers/{desk.workers['alice']}", **gone)
    target = {"RoutingTarget": desk.workers["alice"], "IgnoreCapacity": "false", "WorkflowSid": desk.workflow}
    task = await desk.rest("POST", f"{desk.path}/Tasks", **target)
    await desk.rest("POST", f"{desk.path}/Tasks/{task['sid']}", AssignmentStatus="canceled", Reason="none")
    told = await client.next("reservation.failed")
    assert (told["sid"], told["assignment_status"], told["reason"]) == (task["sid"], "canceled", "none")


async def test_whoever_holds_a_task_is_told_of_its_changes(desk: Desk) -> None:
    clients = [await desk.connect(), await desk.connect()]
    other = await desk.connect("bob")
    task, sid = await desk.offer()
    await accept(desk, sid)
    await desk.rest("POST", f"{desk.path}/Tasks/{task}", Priority="5")
    await desk.rest("DELETE", f"{desk.path}/Tasks/{task}")
    for client in clients:
        assert (await client.next("task.updated"))["priority"] == 5
        ended = await client.next("reservation.completed")
        assert (ended["sid"], ended["task"]["sid"]) == (sid, task)
    assert await other.quiet() == []


async def test_a_transfer_stands_in_every_frame_of_its_offer_and_in_no_other(desk: Desk) -> None:
    alice, bob = await desk.connect(), await desk.connect("bob")
    task, sid = await desk.offer()
    await accept(desk, sid)
    params = {"ReservationSid": sid, "TaskSid": task, "To": desk.workers["bob"], "Mode": "COLD"}
    transfer = (await desk.call("POST", f"{desk.wk('alice')}/Transfers", params)).payload
    assert (transfer["transfer_type"], transfer["transfer_status"]) == ("WORKER", "initiated")
    assert (await alice.next("task.transfer-initiated"))["sid"] == transfer["sid"]
    wrapped = await alice.next("reservation.wrapup")
    assert wrapped["active_outgoing_task_transfer"]["sid"] == transfer["sid"]
    offer = await bob.next("reservation.created")
    assert offer["task_transfer"]["transfer_status"] == "initiated"
    await accept(desk, offer["sid"], "bob")
    assert (await bob.next("reservation.accepted"))["task_transfer"]["transfer_status"] == "complete"
    assert (await alice.next("task.transfer-completed"))["transfer_status"] == "complete"
    for client in (alice, bob):
        for frame in client.frames:
            assert None not in [
                frame["payload"].get(key, 0) for key in ("task_transfer", "active_outgoing_task_transfer")
            ]
    first = next(frame for frame in alice.frames if frame["event_type"] == "reservation.created")
    assert not {"task_transfer", "active_outgoing_task_transfer"} & set(first["payload"])


async def test_events_of_many_tasks_come_in_their_order(desk: Desk) -> None:
    client = await desk.connect()
    path = f"{desk.path}/Workers/{desk.workers['alice']}"
    await desk.rest("POST", f"{path}/Channels/default", Capacity="20")
    offers = [await desk.offer() for _ in range(10)]
    created = [(await client.next("reservation.created"))["sid"] for _ in offers]
    assert created == [sid for _, sid in offers]
    await asyncio.gather(*(accept(desk, sid) for _, sid in offers))
    accepted = {(await client.next("reservation.accepted"))["sid"] for _ in offers}
    assert accepted == set(created)
