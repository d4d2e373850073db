"""The faults by name, and the order in which they are done."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from random import Random

from engine.chaos import database_faults, load_faults, process_faults
from engine.chaos.errors import ChaosError
from engine.chaos.stage import Stage

Fault = Callable[[Stage], Awaitable[str]]
"""Does something to the stage and undoes it; returns what was seen. Raises ChaosError."""

FAULTS: dict[str, Fault] = {
    "kill": process_faults.kill_loaded,
    "kill-idle": process_faults.kill_idle,
    "stop": process_faults.stop,
    "failover": process_faults.failover,
    "freeze": process_faults.freeze,
    "database-kill": database_faults.kill_database,
    "both-kill": database_faults.kill_both,
    "connections-cut": database_faults.cut_connections,
    "connections-idle": database_faults.crowd,
    "rows-locked": database_faults.lock_rows,
    "overload": load_faults.overload,
    "clock-forward": load_faults.clock_forward,
    "clock-back": load_faults.clock_back,
}


def described() -> Iterator[tuple[str, str]]:
    """Yield the name of each fault and what it is."""
    for name, fault in FAULTS.items():
        yield name, (fault.__doc__ or "").strip()


def chosen(text: str) -> tuple[str, ...]:
    """Return the faults named between commas; all of them for nothing. Raises ChaosError."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in FAULTS:
            raise ChaosError(f"there is no fault {name!r}; there are {', '.join(FAULTS)}")
    return names or tuple(FAULTS)


def rounds(names: Sequence[str], random: Random) -> Iterator[tuple[int, str]]:
    """Yield the number of the round and a fault, without end: each fault once per round, in a drawn order."""
    number = 0
    while True:
        for name in random.sample(names, len(names)):
            yield number, name
        number += 1
