from itertools import islice

from engine.callbacks.backoff import backoff_s


def test_pauses_double_up_to_the_longest() -> None:
    assert list(islice(backoff_s(1, 5, lambda: 1.0), 5)) == [1, 2, 4, 5, 5]


def test_jitter_keeps_half_of_each_pause() -> None:
    assert list(islice(backoff_s(1, 5, lambda: 0.0), 4)) == [0.5, 1, 2, 2.5]
