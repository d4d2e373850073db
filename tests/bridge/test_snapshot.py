"""What a client has read decides which frames it can take, and when."""

import pytest

from engine.bridge.events import Frame
from engine.bridge.snapshot import EXCHANGE_S_MAX, Fitness, Listed, Snapshot

OPENED_S = 100.0
SETTLE_S = 0.1


def frame(event_type: str, about: str = "WR1") -> Frame:
    return Frame("WK1", event_type, about, {})


def snapshot(*sids: str, what: Listed = Listed.RESERVATIONS, after_s: float = 0.05) -> Snapshot:
    made = Snapshot(OPENED_S)
    made.learn(what, sids, OPENED_S + after_s, SETTLE_S)
    return made


def test_who_has_read_nothing_is_sent_everything() -> None:
    made = Snapshot(OPENED_S)
    for event_type in (
        "reservation.created",
        "reservation.accepted",
        "worker.activity.update",
        "task.updated",
    ):
        assert made.fitness(frame(event_type)) is Fitness.SEND
    assert made.hold_until_s == 0


def test_a_reservation_is_told_once() -> None:
    assert snapshot("WR1").fitness(frame("reservation.created")) is Fitness.DROP
    made = snapshot()
    assert made.fitness(frame("reservation.created")) is Fitness.SEND
    assert made.fitness(frame("reservation.created")) is Fitness.DROP


@pytest.mark.parametrize("event_type", ["reservation.accepted", "reservation.wrapup"])
def test_nothing_goes_on_that_the_client_does_not_know(event_type: str) -> None:
    assert snapshot().fitness(frame(event_type)) is Fitness.DROP
    assert snapshot("WR1").fitness(frame(event_type)) is Fitness.SEND
    ended = snapshot("WR1")
    assert ended.fitness(frame("reservation.completed")) is Fitness.SEND
    assert ended.fitness(frame(event_type)) is Fitness.DROP


@pytest.mark.parametrize(
    ("event_type", "what"),
    [
        ("worker.activity.update", Listed.ACTIVITIES),
        ("worker.capacity.update", Listed.CHANNELS),
        ("worker.channel.availability.update", Listed.CHANNELS),
    ],
)
def test_what_was_made_later_makes_the_client_read_again(event_type: str, what: Listed) -> None:
    made = snapshot("known", what=what)
    assert made.fitness(frame(event_type, "known")) is Fitness.SEND
    assert made.fitness(frame(event_type, "new")) is Fitness.STALE


def test_a_client_is_given_the_time_of_one_exchange_to_begin_to_listen() -> None:
    made = snapshot(after_s=0.4)
    made.learn(Listed.CHANNELS, (), OPENED_S + 0.9, SETTLE_S)
    assert made.hold_until_s == pytest.approx(OPENED_S + 0.9 + SETTLE_S + 0.4)


def test_a_client_that_reads_late_is_not_waited_for() -> None:
    assert snapshot(after_s=EXCHANGE_S_MAX + 1).hold_until_s == 0
