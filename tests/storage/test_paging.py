"""Pages neither skip nor repeat what stays, in either direction, whatever comes and goes between them."""

from collections.abc import Awaitable, Callable
from itertools import chain
from typing import Any

import pytest

from engine.routing.effects import Changes, Kind
from engine.routing.entities import TaskStatus
from engine.routing.views import TaskView
from engine.storage.reads import BadCursor, Page, PageRequest, Reads
from engine.storage.store import PostgresStore
from tests.storage.builders import (
    NOW_MS,
    activity,
    changes,
    event,
    made,
    task,
    task_queue,
    worker,
)

List = Callable[[PageRequest], Awaitable[Page[Any]]]


async def forwards(listing: List, size: int) -> list[list[str]]:
    pages, after = [], None
    while True:
        page = await listing(PageRequest(size, after=after))
        pages.append([item.sid for item in page.items])
        if page.next is None:
            return pages
        after = page.next


async def backwards(listing: List, size: int, before: str) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor: str | None = before
    while cursor is not None:
        page = await listing(PageRequest(size, before=cursor))
        pages.append([item.sid for item in page.items])
        cursor = page.previous
    return pages


async def test_pages_cover_the_list_in_order_of_creation(store: PostgresStore, reads: Reads) -> None:
    items = [activity() for _ in range(7)]
    ws = (await made(store, *reversed(items))).workspace_sid
    sids = [item.sid for item in items]

    assert await forwards(lambda page: reads.activities(ws, page), 3) == [sids[:3], sids[3:6], sids[6:]]
    assert await forwards(lambda page: reads.activities(ws, page), 7) == [sids]


async def test_the_first_and_the_last_page_have_one_neighbour(store: PostgresStore, reads: Reads) -> None:
    items = [activity() for _ in range(4)]
    ws = (await made(store, *items)).workspace_sid
    first = await reads.activities(ws, PageRequest(2))
    assert first.previous is None
    last = await reads.activities(ws, PageRequest(2, after=first.next))
    assert last.next is None
    back = await reads.activities(ws, PageRequest(2, before=last.previous))
    assert (back.items, back.previous) == (first.items, None)
    assert back.next == first.next == items[1].sid


async def test_an_empty_list_is_one_empty_page(store: PostgresStore, reads: Reads) -> None:
    ws = (await made(store)).workspace_sid
    assert await reads.activities(ws, PageRequest(5)) == Page([], None, None)


DIRECTIONS = (False, True)
ORDERINGS: list[list[tuple[str, bool]]] = [
    [],
    *([(name, down)] for name in ("date_created", "priority", "virtual_start_time") for down in DIRECTIONS),
    *(
        [(first, down), (second, then)]
        for first, second in (
            ("priority", "date_created"),
            ("priority", "virtual_start_time"),
            ("virtual_start_time", "priority"),
        )
        for down in DIRECTIONS
        for then in DIRECTIONS
    ),
]


def place(ordering: list[tuple[str, bool]]) -> Callable[[Any], tuple[Any, ...]]:
    values = {
        "date_created": lambda t: int(t.sid[2:20], 16),
        "priority": lambda t: t.priority,
        "virtual_start_time": lambda t: t.virtual_start_ms,
    }
    keys = [*ordering, ("date_created", False)]
    return lambda t: tuple(-values[name](t) if down else values[name](t) for name, down in keys)


@pytest.mark.parametrize("statuses", [(), (TaskStatus.PENDING, TaskStatus.ASSIGNED)])
async def test_every_ordering_pages_both_ways(
    store: PostgresStore, reads: Reads, statuses: tuple[TaskStatus, ...]
) -> None:
    kinds = [TaskStatus.PENDING, TaskStatus.ASSIGNED]
    items = [
        task(priority=n % 3, virtual_start_ms=NOW_MS - n * 7 % 4, status=kinds[n % 2]) for n in range(19)
    ]
    ws = (await made(store, *items)).workspace_sid
    for ordering in ORDERINGS:
        expected = [item.sid for item in sorted(items, key=place(ordering))]

        def listing(page: PageRequest, ordering: Any = ordering) -> Awaitable[Page[TaskView]]:
            return reads.tasks(ws, page, ordering=ordering, statuses=statuses)

        for size in (1, 4, 1000):
            assert list(chain.from_iterable(await forwards(listing, size))) == expected, ordering
        last = (await listing(PageRequest(18))).next
        assert last is not None
        for size in (1, 4):
            pages = await backwards(listing, size, last)
            assert list(chain.from_iterable(reversed(pages))) == expected[:17], ordering


async def test_rows_that_come_and_go_move_no_others(store: PostgresStore, reads: Reads) -> None:
    items = [worker() for _ in range(9)]
    lease = await made(store, *items)
    ws = lease.workspace_sid
    first = await reads.workers(ws, PageRequest(3))
    removed = [(Kind.WORKER, items[0].sid), (Kind.WORKER, items[2].sid), (Kind.WORKER, items[4].sid)]
    await store.commit(lease, Changes(removed=removed))
    late = worker()
    await store.commit(lease, changes(late))
    second = await reads.workers(ws, PageRequest(3, after=first.next))
    third = await reads.workers(ws, PageRequest(3, after=second.next))

    assert [w.sid for w in second.items] == [items[3].sid, items[5].sid, items[6].sid]
    assert [w.sid for w in third.items] == [items[7].sid, items[8].sid, late.sid]
    back = await reads.workers(ws, PageRequest(3, before=second.previous))
    assert [w.sid for w in back.items] == [items[1].sid]


async def test_a_page_beyond_the_end_is_empty(store: PostgresStore, reads: Reads) -> None:
    item = activity()
    ws = (await made(store, item)).workspace_sid
    page = await reads.activities(ws, PageRequest(5, after=item.sid))
    assert (page.items, page.next) == ([], None)


async def test_a_predicate_fills_pages_from_as_many_rows_as_it_takes(
    store: PostgresStore, reads: Reads
) -> None:
    items = [task_queue(max_reserved_workers=1 + n % 400) for n in range(1300)]
    ws = (await made(store, *items)).workspace_sid
    wanted = [item.sid for item in items if item.max_reserved_workers == 5]

    def listing(page: PageRequest) -> Awaitable[Page[Any]]:
        return reads.task_queues(ws, page, predicate=lambda q: q.max_reserved_workers == 5)

    assert len(wanted) == 4
    assert await forwards(listing, 2) == [wanted[:2], wanted[2:]]
    assert await backwards(listing, 2, wanted[3]) == [wanted[1:3], wanted[:1]]


async def test_events_come_newest_first_and_page_by_sid(store: PostgresStore, reads: Reads) -> None:
    log = [event(n, event_date_ms=NOW_MS + n // 3) for n in range(1, 10)]
    ws = (await made(store, *log)).workspace_sid
    newest = [item.sid for item in reversed(log)]

    def listing(page: PageRequest) -> Awaitable[Page[Any]]:
        return reads.events(ws, page, start_ms=0, end_ms=NOW_MS * 2)

    assert await forwards(listing, 4) == [newest[:4], newest[4:8], newest[8:]]
    assert await backwards(listing, 4, newest[8]) == [newest[4:8], newest[:4]]


@pytest.mark.parametrize("cursor", ["", "nonsense", "WK123", "WT" + "0" * 32, "\x00", "WK" + "0" * 33])
async def test_a_cursor_of_another_list_is_refused(store: PostgresStore, reads: Reads, cursor: str) -> None:
    ws = (await made(store)).workspace_sid
    with pytest.raises(BadCursor):
        await reads.workers(ws, PageRequest(5, after=cursor))
    with pytest.raises(BadCursor):
        await reads.workers(ws, PageRequest(5, before=cursor))
    with pytest.raises(BadCursor):
        await reads.events(ws, PageRequest(5, after=cursor), start_ms=0, end_ms=NOW_MS)


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "WT" + "0" * 32, "W10", "bnVsbA", "WyJhIiwgImIiXQ", "é", "WzEsIldUMSJd"]
)
async def test_a_garbled_cursor_of_an_ordering_is_refused(
    store: PostgresStore, reads: Reads, cursor: str
) -> None:
    ws = (await made(store)).workspace_sid
    with pytest.raises(BadCursor):
        await reads.tasks(ws, PageRequest(5, after=cursor), ordering=[("priority", True)])


async def test_an_unknown_ordering_is_refused(store: PostgresStore, reads: Reads) -> None:
    listings: list[Callable[..., Awaitable[Page[Any]]]] = [reads.tasks, reads.workers, reads.task_queues]
    for listing in listings:
        with pytest.raises(ValueError, match="colour"):
            await listing("WS" + "0" * 32, PageRequest(5), ordering=[("colour", True)])


@pytest.mark.parametrize("down", [False, True])
async def test_workers_and_queues_can_be_ordered_by_name(
    store: PostgresStore, reads: Reads, down: bool
) -> None:
    workers = [worker(friendly_name=name) for name in ("Zoe", "ana", "Bob")]
    queues = [task_queue(friendly_name=name) for name in ("Zoe", "ana", "Bob")]
    ws = (await made(store, *workers, *queues)).workspace_sid
    names = sorted(["Zoe", "ana", "Bob"], reverse=down)
    order = [("friendly_name", down)]
    assert [w.friendly_name for w in (await reads.workers(ws, PageRequest(9), ordering=order)).items] == names
    by_name = await forwards(lambda page: reads.task_queues(ws, page, ordering=order), 2)
    assert len(by_name) == 2
