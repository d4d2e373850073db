"""The garbage collector, made to run seldom.

Requests leave next to no cycles behind, but enough objects under way to start a collection every few
requests: with CPython's own thresholds that took a seventh of the CPU of a request, and a full one stops
routing for as long as it takes to look at every waiting task.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (20_000, 4, 12_500)
"""New objects before the youngest are collected, and how many of these go before one of the older ones.

What a collection costs grows with what survived since the last one: rarer ones of the first two kinds would
take as long in sum, but tenths of a second at a time. The oldest are as good as never looked at: half a
million waiting tasks would take seconds.
"""

_loads: set[object] = set()
"""Those under way."""


def collect_seldom() -> None:
    """Leave what there is now, the modules and the parts of the daemon, out of every collection to come."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def loading() -> Iterator[None]:
    """Collect nothing while very many objects that stay are made, and leave them out of all collections.

    What is dropped later is freed all the same when nothing refers to it any more: a loaded workspace holds
    no cycles.
    """
    this = object()
    _loads.add(this)
    gc.disable()
    try:
        yield
    finally:
        _loads.remove(this)
        if not _loads:
            if gc.get_count()[0] > THRESHOLDS[0]:
                gc.freeze()
            gc.enable()
