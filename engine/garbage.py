"""The garbage collector, made to run seldom.

Requests leave next to no cycles behind, but enough objects under way to start a collection every few
requests: with CPython's own thresholds that took a seventh of the CPU of a request, and a full one stops
routing for as long as it takes to look at every waiting task.
"""

import gc

THRESHOLDS = (50_000, 20, 100)
"""New objects before the youngest are collected, and how many of these go before one of the older ones."""


def collect_seldom() -> None:
    """Leave what there is now, the modules and the loaded tasks, out of every collection to come."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
