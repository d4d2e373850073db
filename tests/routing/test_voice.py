"""Voice instructions in the core: an order is made without a trace, and its outcome meets what is then."""

import json

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused, VersionMismatch
from engine.routing.voice import FAILED, NOT_PENDING, Verdict, VoiceInstruction, read_instruction
from engine.routing.voice_fields import FIELDS, InstructionRefused
from tests.routing.handed import Handed
from tests.routing.world import World

DONE = Verdict(True, call_sid="CA2", conference_sid="CF2")
BROKEN = Verdict(False, "busy")
GIVEN = {
    "dequeue": {},
    "conference": {},
    "call": {"CallFrom": ["+1"], "CallUrl": ["http://a.example/"]},
    "redirect": {"RedirectCallSid": ["CA" + "0" * 32], "RedirectUrl": ["http://a.example/"]},
    "supervise": {"Supervisor": ["client:sue"]},
}


def instruction(name: str, **more: str) -> VoiceInstruction:
    return read_instruction(name, {**GIVEN[name], **{field: [text] for field, text in more.items()}})


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue(max_reserved_workers=2), assignment_callback_url="http://app.example/")
    for name in ("ann", "bob"):
        world.worker(name, contact_uri=f"client:{name}")
    return world


def call(world: World, **attributes: object) -> str:
    return world.task(attributes={"call_sid": "CA1", "called": "+2", "from": "+3"} | attributes)


def prepare(world: World, sid: str, name: str, **options: object) -> c.PrepareInstruction:
    return c.PrepareInstruction(sid, instruction(name), **options)


def conclude(world: World, sid: str, name: str, verdict: Verdict, **more: str) -> object:
    return world.do(c.ConcludeInstruction(sid, instruction(name, **more), verdict, settles_callback=True))


@pytest.mark.parametrize("name", ["dequeue", "call", "redirect", "conference"])
def test_making_an_order_changes_nothing(world: World, name: str) -> None:
    offer = world.offers(call(world))[0]
    before = (offer.version, offer.status, world.state.workspace.sequence)
    view = world.do(prepare(world, offer.sid, name))
    assert not world.changes
    assert before == (offer.version, offer.status, world.state.workspace.sequence)
    assert view.reservation.sid == view.order.reservation_sid == offer.sid
    assert view.order.id == f"{offer.sid}:{name}"
    assert view.order.patience_ms == 120_000
    world.wait(50)
    assert world.do(prepare(world, offer.sid, name)).order.patience_ms == 70_000


def test_the_first_outcome_rescinds_the_offers_of_the_others(world: World) -> None:
    task = call(world)
    first, second = world.offers(task)
    world.do(prepare(world, first.sid, "dequeue"))
    world.do(prepare(world, second.sid, "dequeue"))
    assert conclude(world, second.sid, "dequeue", DONE).status is R.ACCEPTED
    assert (world.status(task), first.status) == (T.ASSIGNED, R.RESCINDED)
    with pytest.raises(NotFound):
        conclude(world, first.sid, "dequeue", DONE)
    assert world.get(task).values["worker_call_sid"] == "CA2"


@pytest.mark.parametrize(
    ("name", "more", "accepted"),
    [
        ("dequeue", {}, True),
        ("conference", {}, True),
        ("call", {}, False),
        ("call", {"CallAccept": "yes"}, True),
        ("redirect", {}, False),
        ("redirect", {"RedirectAccept": "1"}, True),
    ],
)
@pytest.mark.parametrize("verdict", [DONE, BROKEN])
def test_the_outcome_decides_as_the_instruction_says(
    world: World, name: str, more: dict[str, str], accepted: bool, verdict: Verdict
) -> None:
    task = call(world)
    first, second = world.offers(task)
    conclude(world, first.sid, name, verdict, **more)
    assert first.sid in world.changes.callbacks_settled
    if not accepted:
        assert (world.status(task), first.status, second.status) == (T.RESERVED, R.PENDING, R.PENDING)
    elif verdict is DONE:
        assert (world.status(task), first.status, second.status) == (T.ASSIGNED, R.ACCEPTED, R.RESCINDED)
    else:
        assert (world.status(task), first.status, second.status) == (T.RESERVED, R.CANCELED, R.PENDING)


def test_media_that_failed_have_the_back_off_of_a_refusal(world: World) -> None:
    task = call(world)
    for offer in world.offers(task):
        conclude(world, offer.sid, "dequeue", BROKEN)
    assert world.status(task) is T.PENDING
    world.wait(1)
    assert world.status(task) is T.RESERVED


def test_an_outcome_that_is_told_twice_counts_once(world: World) -> None:
    task = call(world)
    offer = world.offers(task)[0]
    conclude(world, offer.sid, "conference", DONE)
    assert world.events == ["task.updated", "reservation.accepted", "reservation.rescinded"]
    version = world.get(task).version
    assert conclude(world, offer.sid, "conference", DONE).status is R.ACCEPTED
    assert (world.events, world.get(task).version) == ([], version)
    conference = {"sid": "CF2", "participants": {"worker": "CA2", "customer": "CA1"}}
    assert json.loads(world.get(task).attributes)["conference"] == conference


def test_an_outcome_for_a_reservation_that_went_on_is_refused(world: World) -> None:
    task = call(world)
    offer = world.offers(task)[0]
    world.accept(task)
    world.move(offer, R.WRAPPING)
    with pytest.raises(InstructionRefused, match="Its status is wrapping") as caught:
        conclude(world, offer.sid, "dequeue", DONE)
    assert caught.value.alert == 40135
    world.complete(task)
    with pytest.raises(NotFound):
        conclude(world, offer.sid, "dequeue", DONE)


def test_a_supervised_reservation_stays_as_it_is(world: World) -> None:
    task = call(world)
    offer = world.offers(task)[0]
    with pytest.raises(InstructionRefused, match="not currently in an Accepted state"):
        world.do(prepare(world, offer.sid, "supervise"))
    world.accept(task)
    view = world.do(prepare(world, offer.sid, "supervise"))
    assert (view.order.id, view.order.patience_ms) == (f"{offer.sid}:supervise:client:sue", None)
    before = world.get(task).attributes
    for verdict in (DONE, BROKEN):
        assert conclude(world, offer.sid, "supervise", verdict).status is R.ACCEPTED
        assert not world.changes
    assert world.get(task).attributes == before


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "supervise"])
def test_only_a_pending_reservation_is_instructed(world: World, name: str) -> None:
    task = call(world)
    offer = world.offers(task)[0]
    world.accept(task)
    with pytest.raises(InstructionRefused, match="not currently in a Pending state") as caught:
        world.do(prepare(world, offer.sid, name))
    assert caught.value.alert == NOT_PENDING[name]
    assert name in FAILED


def test_an_order_is_addressed_by_its_route_and_version(world: World) -> None:
    task = call(world)
    offer, other = world.offers(task)
    for wrong in ({"task_sid": "WT0"}, {"worker_sid": other.worker_sid}):
        with pytest.raises(NotFound):
            world.do(prepare(world, offer.sid, "dequeue", **wrong))
    with pytest.raises(VersionMismatch):
        world.do(prepare(world, offer.sid, "dequeue", if_match=1))
    assert world.do(prepare(world, offer.sid, "dequeue", if_match=0, worker_sid=offer.worker_sid))


def test_an_activity_after_the_call_has_to_exist(world: World) -> None:
    offer = world.offers(call(world))[0]
    for name, field, alert in (
        ("dequeue", "DequeuePostWorkActivitySid", 40130),
        ("conference", "PostWorkActivitySid", 40139),
    ):
        for sid, known in (("WA" + "0" * 31 + "f", False), (world.activities["Offline"], True)):
            command = c.PrepareInstruction(offer.sid, instruction(name, **{field: sid}))
            if known:
                assert (field, sid) in world.do(command).order.fields
                continue
            with pytest.raises(InstructionRefused, match=field) as caught:
                world.do(command)
            assert caught.value.alert == alert


def test_a_sip_address_rings_no_longer_than_ten_minutes(world: World) -> None:
    offer = world.offers(call(world))[0]
    for to, timeout, fine in (
        ("sip:ann@a.example", "600", True),
        ("SIP:ann@a.example", "601", False),
        ("client:ann", "999", True),
    ):
        command = c.PrepareInstruction(
            offer.sid, instruction("dequeue", DequeueTo=to, DequeueTimeout=timeout)
        )
        if fine:
            assert ("DequeueTimeout", timeout) in world.do(command).order.fields
        else:
            with pytest.raises(Refused, match="DequeueTimeout"):
                world.do(command)


def test_values_arrive_in_their_normal_form() -> None:
    read = instruction(
        "conference", Muted="YES", EarlyMedia="0", Timeout="007", MaxParticipants="2", Beep="onExit"
    )
    told = {"Muted": "true", "EarlyMedia": "false", "Timeout": "7", "MaxParticipants": "2", "Beep": "onExit"}
    assert {name: read.get(name) for name in told} == told


def test_of_a_repeated_field_the_last_counts_and_of_a_list_all_once() -> None:
    given = {"To": ["a", "", "b", ""], "StatusCallbackEvent": ["ringing", "answered", "ringing", ""]}
    read = read_instruction("conference", given)
    assert read.get("To") == "b"
    events = [value for name, value in read.fields if name == "StatusCallbackEvent"]
    assert events == ["ringing", "answered"]


def transferred() -> tuple[Handed, str]:
    """A call that ann holds and bob is offered, and that offer's SID."""
    world = Handed()
    attributes = json.dumps({"call_sid": "CA1", "called": "+2", "from": "+3"})
    world.do(c.UpdateTask(world.wt, attributes=attributes))
    for worker in (world.ann, world.bob):
        world.do(c.UpdateWorker(worker, attributes='{"contact_uri": "client:w"}'))
    world.hand(world.bob)
    return world, world.of(world.bob).sid


@pytest.mark.parametrize("name", ["call", "dequeue", "redirect"])
def test_the_offer_of_a_transfer_takes_no_instruction_but_conference(name: str) -> None:
    world, offer = transferred()
    with pytest.raises(InstructionRefused, match="offer of a transfer") as caught:
        world.do(prepare(world, offer, name))
    assert caught.value.alert == 40151
    assert world.do(prepare(world, offer, "conference")).order.reservation_sid == offer
    assert world.do(prepare(world, world.held.sid, "supervise"))


def test_a_conference_completes_a_transfer_or_fails_it() -> None:
    world, offer = transferred()
    conclude(world, offer, "conference", DONE)
    assert world.is_at() == ("assigned", {"ann": "accepted", "bob": "accepted"})
    world, offer = transferred()
    conclude(world, offer, "conference", BROKEN)
    assert world.is_at() == ("assigned", {"ann": "accepted"})
    assert world.last.status == "failed"
