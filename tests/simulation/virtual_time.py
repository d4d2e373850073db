"""An event loop whose time passes only when everybody waits, and the processes that live on it.

The loop is asyncio's own; only its clock and its selector are ours. There is no network, so when the loop
would sleep until its next timer, the selector moves the clock there instead. A day of waiting costs nothing,
and the order of everything that happens depends on nothing but the program: the same program with the same
random numbers has the same history.

A `Process` stands for an operating system process: it owns the tasks that were started in it and those that
these start, and it can be killed, which ends them all wherever they stand.
"""

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

R = TypeVar("R")


class Deadlock(Exception):
    """Everybody waits for somebody else: no timer is set that could ever wake anyone."""


class Killed(Exception):
    """The process that was to answer is gone."""


class _Clockwork(selectors.BaseSelector):
    """Watches no files. To wait is to move the loop's clock."""

    def __init__(self, loop: "VirtualTimeLoop") -> None:
        self._loop = loop
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(
            fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data
        )
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self._loop.now_s += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's loop on a clock of its own, which begins at 0 s."""

    def __init__(self) -> None:
        self.now_s = 0.0
        super().__init__(_Clockwork(self))
        # Doubles of a few hundred days of seconds are finer than this, so no timer is ever missed by a hair.
        self._clock_resolution = 1e-6
        self._homes: WeakKeyDictionary[asyncio.Task[Any], Process] = WeakKeyDictionary()
        self.set_task_factory(_in_the_process_of_its_maker)

    def time(self) -> float:
        return self.now_s

    def home_of(self, task: asyncio.Task[Any] | None) -> "Process | None":
        """Return the process that a task belongs to."""
        return None if task is None else self._homes.get(task)

    def settle(self, task: asyncio.Task[Any], process: "Process") -> None:
        """Make a task belong to a process."""
        self._homes[task] = process
        process.adopt(task)


def _in_the_process_of_its_maker(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
) -> asyncio.Task[Any]:
    assert isinstance(loop, VirtualTimeLoop)
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    home = loop.home_of(asyncio.current_task(loop))
    if home is not None:
        loop.settle(task, home)
    return task


class Process:
    """A group of tasks that live and die together."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def adopt(self, task: asyncio.Task[Any]) -> None:
        """Count a task as one of this process."""
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    def start(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        """Run a coroutine in this process."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        task = loop.create_task(work)
        if (home := loop.home_of(task)) is not None:
            home._tasks.pop(task, None)
        loop.settle(task, self)
        return task

    async def call(self, work: Coroutine[Any, Any, R]) -> R:
        """Run a coroutine in this process and return its result, as a remote caller does.

        Raises Killed when the process ends first.
        """
        if not self.alive:
            work.close()
            raise Killed(self.name)
        task = self.start(work)
        await asyncio.wait([task])
        if task.cancelled():
            raise Killed(self.name)
        return task.result()

    async def kill(self) -> None:
        """End every task where it stands. Call it from another process."""
        self.alive = False
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.wait(list(self._tasks))


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()
