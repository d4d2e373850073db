"""Which worker is first: longest idle, per channel, order_by (behaviour §4 selection order, §5 order_by)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


def offered_in_turn(world: World, count: int, **options: str) -> list[str]:
    """Make tasks that are accepted and completed at once; returns whom each was offered to."""
    names = []
    for _ in range(count):
        world.wait(1)
        task = world.task(**options)
        names += world.offered_to(task)
        world.accept(task)
        world.complete(task)
    return names


def test_workers_never_reserved_come_first_in_the_order_of_their_creation(world: World) -> None:
    for name in ("cid", "ann", "bob"):
        world.worker(name)
    assert offered_in_turn(world, 3) == ["cid", "ann", "bob"]
    world.worker("dan")
    assert offered_in_turn(world, 5) == ["dan", "cid", "ann", "bob", "dan"]


@pytest.mark.parametrize("end", ["accept", "reject", "cancel", "callback fails"])
def test_idle_time_counts_from_the_last_offer_whatever_became_of_it(world: World, end: str) -> None:
    for name in ("ann", "bob"):
        world.worker(name)
    task = world.task()
    assert world.offered_to(task) == ["ann"]
    if end == "accept":
        world.accept(task)
        world.complete(task)
    elif end == "reject":
        world.reject(task)
        world.cancel(task)
    elif end == "cancel":
        world.cancel(task)
    else:
        world.do(c.AssignmentCallbackFailed(world.offers(task)[0].sid, "no answer"))
        world.cancel(task)
    expected = ["bob", "ann"] if end in ("accept", "cancel") else ["ann", "bob"]
    assert offered_in_turn(world, 2) == expected


def test_time_spent_in_another_activity_does_not_count_as_work(world: World) -> None:
    ann = world.worker("ann")
    world.worker("bob")
    assert offered_in_turn(world, 2) == ["ann", "bob"]
    world.wait(100)
    world.activity(ann, "Offline")
    world.wait(100)
    world.activity(ann, "Available")
    assert offered_in_turn(world, 1) == ["ann"]


def test_a_long_task_does_not_move_its_worker_back(world: World) -> None:
    world.worker("ann")
    world.worker("bob")
    first = world.task()
    world.wait(10)
    second = world.task()
    world.accept(first)
    world.accept(second)
    world.complete(second)
    world.wait(1000)
    world.complete(first)
    assert offered_in_turn(world, 1) == ["ann"]


@pytest.mark.parametrize(("optimized", "expected"), [(False, "bob"), (True, "ann")])
def test_with_channel_optimized_routing_only_offers_on_the_channel_count(
    world: World, optimized: bool, expected: str
) -> None:
    world.do(c.UpdateTaskChannel("chat", channel_optimized_routing=optimized))
    ann, bob = world.worker("ann"), world.worker("bob")
    world.capacity(bob, "voice", 0)
    assert offered_in_turn(world, 1, task_channel="voice") == ["ann"]
    world.capacity(ann, "voice", 0)
    world.capacity(bob, "voice", 1)
    assert world.channel_of(ann, "chat").last_reserved_ms is None
    assert offered_in_turn(world, 1, task_channel="chat") == [expected]


def test_a_channel_s_own_line_goes_by_the_last_offer_on_it(world: World) -> None:
    world.do(c.UpdateTaskChannel("chat", channel_optimized_routing=True))
    for name in ("ann", "bob"):
        world.worker(name)
    assert offered_in_turn(world, 1, task_channel="chat") == ["ann"]
    assert offered_in_turn(world, 1, task_channel="voice") == ["bob"]
    assert offered_in_turn(world, 4, task_channel="chat") == ["bob", "ann", "bob", "ann"]


def test_optimized_routing_may_be_switched_while_there_is_a_history(world: World) -> None:
    for name in ("ann", "bob"):
        world.worker(name)
    assert offered_in_turn(world, 1, task_channel="chat") == ["ann"]
    assert offered_in_turn(world, 1, task_channel="voice") == ["bob"]
    for optimized, expected in ((True, "bob"), (False, "ann"), (True, "bob")):
        world.do(c.UpdateTaskChannel("chat", channel_optimized_routing=optimized))
        assert offered_in_turn(world, 1, task_channel="chat") == [expected]


def ordered(order_by: str, *workers: tuple[str, dict[str, object]]) -> list[str]:
    """Offer one task after the other to the workers without freeing them; returns them in order."""
    world = World()
    world.steps({"queue": world.queue(), "order_by": order_by})
    for name, attributes in workers:
        world.worker(name, **attributes)
    return [world.offered_to(world.task())[0] for _ in workers]


LEVELS = ("none", {}), ("low", {"level": 1}), ("null", {"level": None}), ("high", {"level": 9})


@pytest.mark.parametrize(
    ("order_by", "expected"),
    [
        ("worker.level ASC", ["low", "high", "none", "null"]),
        ("worker.level DESC", ["high", "low", "none", "null"]),
        ("worker.level", ["low", "high", "none", "null"]),
    ],
)
def test_order_by_sorts_and_who_lacks_the_value_comes_last(order_by: str, expected: list[str]) -> None:
    assert ordered(order_by, *LEVELS) == expected


def test_later_clauses_decide_between_equals_and_idle_time_in_the_end() -> None:
    workers = (
        ("x", {"skills": {"en": 5}, "cost": 2}),
        ("y", {"skills": {"en": 5}, "cost": 1}),
        ("z", {"skills": {"en": 5}, "cost": 1}),
        ("w", {"skills": {"en": 7}, "cost": 9}),
    )
    assert ordered("worker.skills.en DESC, worker.cost ASC", *workers) == ["w", "y", "z", "x"]


def test_between_equals_the_longest_idle_is_first() -> None:
    world = World()
    world.steps({"queue": world.queue(), "order_by": "worker.level DESC"})
    for name, level in (("ann", 5), ("bob", 5), ("cid", 1)):
        world.worker(name, level=level)
    assert offered_in_turn(world, 3) == ["ann", "bob", "ann"]


@pytest.mark.parametrize("value", ["9", 9.5, True, [9], {"a": 9}])
def test_a_value_that_is_no_integer_makes_the_round_ignore_the_whole_order(value: object) -> None:
    world = World()
    world.steps({"queue": world.queue(), "order_by": "worker.rank ASC, worker.level DESC"})
    world.worker("low", level=1)
    odd = world.worker("odd", level=value)
    world.worker("high", level=5)
    first = world.task()
    assert world.offered_to(first) == ["low"]
    (warning,) = world.changes.warnings
    assert (warning.worker_sid, warning.task_sid) == (odd, first)
    assert warning.message == f"order_by ignored for this round: worker {odd} has a value that is no integer"


def test_an_order_counts_again_when_every_worker_of_the_round_has_integers() -> None:
    world = World()
    world.steps({"queue": world.queue(), "order_by": "worker.level DESC"})
    world.worker("low", level=1)
    odd = world.worker("odd", level="9")
    world.worker("high", level=5)
    world.activity(odd, "Offline")
    assert world.offered_to(world.task()) == ["high"]
    assert not world.changes.warnings


def test_order_by_chooses_the_workers_of_a_round() -> None:
    world = World()
    world.steps({"queue": world.queue(max_reserved_workers=2), "order_by": "worker.level DESC"})
    for name, level in (("low", 1), ("high", 9), ("middle", 5)):
        world.worker(name, level=level)
    assert world.offered_to(world.task()) == ["high", "middle"]


def test_order_by_reads_the_figures_of_channels() -> None:
    world = World()
    order_by = "worker.channel.chat.available_capacity_percentage DESC"
    world.steps({"queue": world.queue(), "order_by": order_by})
    for name, capacity in (("ann", 2), ("bob", 4)):
        world.capacity(world.worker(name), "chat", capacity)
    offers = [world.offered_to(world.task(task_channel="chat"))[0] for _ in range(4)]
    assert offers == ["ann", "bob", "bob", "ann"]


def test_an_order_that_prefers_one_worker_cannot_spin() -> None:
    world = World()
    world.steps({"queue": world.queue(), "order_by": "worker.level DESC"})
    world.worker("low", level=1)
    world.worker("high", level=9)
    task = world.task()
    world.reject(task)
    assert world.offered_to(task) == ["low"]
    world.reject(task)
    assert world.status(task) is T.PENDING
    world.wait(0.999)
    assert world.status(task) is T.PENDING
    world.wait(0.001)
    assert world.offered_to(task) == ["high"]
