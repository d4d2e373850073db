"""Task channels and the workers' capacity on them (behaviour §1 TaskChannels, §4 worker channel numbers)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import ReservationStatus as R
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import NotFound, Refused
from engine.routing.values import available_capacity_percentage
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def figures(world: World, worker: str, channel: str) -> tuple[int, int, int]:
    """Capacity, accepted reservations and percentage as target expressions read them."""
    values = world.get_worker(worker).environment["worker"]["channel"][channel]
    return tuple(values[name] for name in ("configured_capacity", "assigned_tasks", PERCENTAGE))


PERCENTAGE = "available_capacity_percentage"


def test_five_channels_exist_from_the_start(world: World) -> None:
    channels = world.state.task_channels.values()
    assert [channel.unique_name for channel in channels] == ["default", "voice", "sms", "chat", "video"]
    assert not any(channel.channel_optimized_routing for channel in channels)


def test_a_task_without_a_channel_goes_on_the_default_channel(world: World) -> None:
    assert world.get(world.task()).task_channel_sid == world.channel_sid("default")


@pytest.mark.parametrize("by", ["unique name", "sid"])
def test_a_task_names_its_channel_by_sid_or_unique_name(world: World, by: str) -> None:
    sid = world.channel_sid("sms")
    assert world.get(world.task(task_channel=sid if by == "sid" else "sms")).task_channel_sid == sid


def test_a_task_on_an_unknown_channel_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="TaskChannel: there is no TaskChannel 'fax' in this workspace"):
        world.task(task_channel="fax")
    assert not world.changes


def test_a_new_worker_has_every_channel_with_capacity_1_and_available(world: World) -> None:
    ann = world.worker("ann")
    channels = world.get_worker(ann).channels
    assert list(channels) == list(world.state.task_channels)
    assert {(channel.configured_capacity, channel.available) for channel in channels.values()} == {(1, True)}


def test_a_new_channel_gives_every_worker_capacity_1_on_it(world: World) -> None:
    ann, bob = world.worker("ann"), world.worker("bob", "Offline")
    sid = world.new_sid("TC")
    world.do(c.CreateTaskChannel(sid, "Fax line", "fax"))
    assert world.events == ["task-channel.created"]
    for worker in (ann, bob):
        channel = world.channel_of(worker, "fax")
        assert (channel.task_channel_sid, channel.configured_capacity, channel.available) == (sid, 1, True)
    assert world.offered_to(world.task(task_channel="fax")) == ["ann"]


def test_a_unique_name_is_taken_once(world: World) -> None:
    with pytest.raises(Refused, match="TaskChannel with the unique name voice already exists"):
        world.do(c.CreateTaskChannel(world.new_sid("TC"), "Voice", "voice"))


def test_a_channel_can_change_its_friendly_name_and_routing_but_not_its_unique_name(world: World) -> None:
    view = world.do(c.UpdateTaskChannel("sms", friendly_name="Texts", channel_optimized_routing=True))
    assert (view.unique_name, view.friendly_name, view.channel_optimized_routing) == ("sms", "Texts", True)
    assert world.event("task-channel.updated").data["task_channel_optimized_routing"] == "true"
    assert "unique_name" not in c.UpdateTaskChannel.__slots__


def test_a_worker_with_a_pending_offer_and_capacity_1_gets_nothing_more_on_that_channel(world: World) -> None:
    world.worker("ann")
    first, second, other = world.task(), world.task(), world.task(task_channel="chat")
    assert (world.status(first), world.status(second)) == (T.RESERVED, T.PENDING)
    assert world.offered_to(other) == ["ann"]


@pytest.mark.parametrize("until", [None, R.ACCEPTED, R.WRAPPING])
def test_pending_accepted_and_wrapping_reservations_use_capacity(world: World, until: R | None) -> None:
    world.worker("ann")
    first, second = world.task(), world.task()
    for status in (R.ACCEPTED, R.WRAPPING)[: {None: 0, R.ACCEPTED: 1, R.WRAPPING: 2}[until]]:
        world.move(world.offers(first)[0], status)
    assert world.status(second) is T.PENDING


def test_capacity_0_offers_nothing_and_keeps_what_is_held(world: World) -> None:
    ann = world.worker("ann")
    first = world.task()
    world.accept(first)
    world.capacity(ann, "default", 0)
    assert world.status(first) is T.ASSIGNED
    second = world.task()
    world.complete(first)
    assert world.status(second) is T.PENDING
    world.capacity(ann, "default", 1)
    assert world.status(second) is T.RESERVED


def test_a_channel_switched_off_offers_nothing_without_losing_its_number(world: World) -> None:
    ann = world.worker("ann")
    world.do(c.UpdateWorkerChannel(ann, "default", available=False))
    assert world.events == ["worker.channel.availability.update"]
    task = world.task()
    assert world.status(task) is T.PENDING
    assert world.channel_of(ann, "default").configured_capacity == 1
    world.do(c.UpdateWorkerChannel(ann, "default", available=True))
    assert world.events == ["worker.channel.availability.update", "reservation.created"]


def test_capacity_lowered_below_what_is_used_keeps_the_tasks(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "default", 3)
    tasks = [world.task() for _ in range(3)]
    world.capacity(ann, "default", 1)
    assert [world.status(task) for task in tasks] == [T.RESERVED] * 3
    assert figures(world, ann, "default") == (1, 0, 0)
    waiting = world.task()
    for task in tasks:
        assert world.status(waiting) is T.PENDING
        world.cancel(task)
    assert world.status(waiting) is T.RESERVED


@pytest.mark.parametrize(
    ("capacity", "used", "percent"),
    [(1, 0, 100), (1, 1, 0), (2, 1, 50), (3, 1, 66), (3, 2, 33), (7, 1, 85), (0, 0, 0), (2, 3, 0)],
)
def test_the_free_percentage_is_rounded_down_and_never_below_0(
    capacity: int, used: int, percent: int
) -> None:
    assert available_capacity_percentage(capacity, used) == percent


def test_assigned_tasks_counts_accepted_reservations_only(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "default", 4)
    accepted, wrapping, _ = [world.task() for _ in range(3)]
    world.accept(accepted)
    world.accept(wrapping)
    assert figures(world, ann, "default") == (4, 2, 25)
    world.move(world.offers(wrapping)[0], R.WRAPPING)
    assert figures(world, ann, "default") == (4, 1, 25)
    world.complete(accepted)
    assert figures(world, ann, "default") == (4, 0, 50)


@pytest.mark.parametrize("name", ["wc sid", "tc sid", "unique name"])
def test_a_workers_channel_is_named_by_either_sid_or_the_unique_name(world: World, name: str) -> None:
    ann = world.worker("ann")
    channel = world.channel_of(ann, "chat")
    names = {"wc sid": channel.sid, "tc sid": channel.task_channel_sid, "unique name": "chat"}
    view = world.do(c.UpdateWorkerChannel(ann, names[name], capacity=5))
    assert (view.sid, view.configured_capacity) == (channel.sid, 5)


def test_an_unknown_channel_of_a_worker_is_not_found(world: World) -> None:
    ann = world.worker("ann")
    with pytest.raises(NotFound):
        world.do(c.UpdateWorkerChannel(ann, "fax", capacity=5))


def test_capacity_and_availability_are_events_of_their_own_and_raise_the_workers_version(
    world: World,
) -> None:
    ann = world.worker("ann")
    version = world.get_worker(ann).version
    world.do(c.UpdateWorkerChannel(ann, "chat", capacity=2, available=False))
    assert world.events == ["worker.capacity.update", "worker.channel.availability.update"]
    data = world.event("worker.capacity.update").data
    assert data["worker_channel_previous_capacity"] == "1"
    assert data["worker_channel_available_capacity"] == "2"
    assert data["worker_channel_available"] == "false"
    assert data["task_channel_unique_name"] == "chat"
    assert world.get_worker(ann).version == version + 2


def test_the_same_figures_again_change_nothing(world: World) -> None:
    ann = world.worker("ann")
    world.do(c.UpdateWorkerChannel(ann, "chat", capacity=1, available=True))
    assert not world.changes


def test_three_offers_at_once_to_one_worker_of_capacity_3(world: World) -> None:
    ann = world.worker("ann")
    world.capacity(ann, "chat", 3)
    tasks = [world.task(task_channel="chat") for _ in range(3)]
    assert [world.offered_to(task) for task in tasks] == [["ann"]] * 3
    assert {r.status for r in world.get_worker(ann).reservations.values()} == {R.PENDING}
    assert figures(world, ann, "chat") == (3, 0, 0)
