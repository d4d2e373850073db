"""The structures beside the state do what a plain dict and a sort would, and do not grow with their past."""

import random
from typing import Any

import pytest

from engine.expressions.expression import parse
from engine.routing.anchors import Anchor, AnchoredItems, WorkerPostings, anchor_of, scalars_at
from engine.routing.deadlines import Deadlines, Due
from engine.routing.idle import IdleLine
from engine.routing.waiting import OrderKey, WaitingLine


def test_deadlines_fire_by_time_then_kind_then_sid() -> None:
    rng = random.Random(1)
    deadlines, model = Deadlines(), dict[tuple[Due, str], int]()
    for _ in range(4000):
        what, sid, due_ms = rng.choice(list(Due)), rng.choice("abcd"), rng.randrange(20)
        match rng.randrange(4):
            case 0 | 1:
                deadlines.set(what, sid, due_ms)
                model[what, sid] = due_ms
            case 2:
                deadlines.cancel(what, sid)
                model.pop((what, sid), None)
            case 3:
                first = min(((due, *key) for key, due in model.items()), default=None)
                expected = None
                if first is not None and first[0] <= due_ms:
                    expected = (first[1], first[2], first[0])
                    del model[first[1], first[2]]
                assert deadlines.pop_due(due_ms) == expected
        assert deadlines.next_ms() == min(model.values(), default=None)
        assert deadlines.due_of(what, sid) == model.get((what, sid))
        assert len(deadlines) == len(model)


def test_canceled_deadlines_take_no_memory() -> None:
    deadlines = Deadlines()
    for number in range(5000):
        deadlines.set(Due.TASK_TTL, str(number), 9 - number if number < 10 else number)
        if number >= 10:
            deadlines.cancel(Due.TASK_TTL, str(number))
    assert len(deadlines._heap) <= 2 * len(deadlines) + 1024
    assert [deadlines.pop_due(5000) for _ in range(11)][0::5] == [
        (Due.TASK_TTL, "9", 0),
        (Due.TASK_TTL, "4", 5),
        None,
    ]


def test_setting_a_deadline_to_what_it_is_costs_nothing() -> None:
    deadlines = Deadlines()
    for _ in range(5):
        deadlines.set(Due.STEP, "a", 7)
    assert len(deadlines._heap) == 1


def test_a_waiting_line_is_its_tasks_in_order() -> None:
    rng = random.Random(2)
    line, model = WaitingLine(), dict[str, OrderKey]()
    for number in range(4000):
        sid = str(rng.randrange(40))
        if rng.randrange(3):
            model[sid] = (rng.randrange(2), rng.randrange(3), 0, number, sid)
            line.add(model[sid])
        else:
            line.remove(sid)
            model.pop(sid, None)
        ordered = sorted(model, key=lambda sid: model[sid])
        assert line.head() == (model[ordered[0]] if ordered else None)
        assert (line.sids(), len(line), sid in line) == (ordered, len(model), sid in model)
        assert [line.before(model[other]) for other in ordered] == list(range(len(model)))
        assert len(line._heap) <= 2 * len(model) + 64 + 40


def test_a_removed_task_is_not_the_head_and_one_that_moved_stands_in_its_new_place_only() -> None:
    line = WaitingLine()
    line.add((0, 1, 0, 0, "a"))
    line.add((0, 2, 0, 0, "b"))
    line.add((0, 3, 0, 0, "a"))
    assert line.head() == (0, 2, 0, 0, "b")
    line.remove("b")
    assert line.head() == (0, 3, 0, 0, "a")
    line.remove("a")
    line.remove("a")
    assert line.head() is None


def test_an_idle_line_is_its_workers_in_order() -> None:
    rng = random.Random(3)
    line, model = IdleLine(), dict[str, tuple[int, int]]()
    for number in range(2000):
        worker = rng.randrange(20)
        sid = str(worker)
        if rng.randrange(3):
            key = (rng.choice([0, number]), worker)
            assert line.put(sid, key) is (sid not in model)
            model[sid] = key
            assert line.keys[sid] == key
        else:
            assert line.remove(sid) is (sid in model)
            model.pop(sid, None)
        if not rng.randrange(4):
            assert list(line) == sorted(model, key=lambda sid: model[sid])
        assert (len(line), sid in line) == (len(model), sid in model)


VALUES: list[Any] = [1, 2, "x", True, 1.5, None, ["x", "x", True, 1], [["x"]], {"x": 1}, []]


@pytest.mark.parametrize(
    ("value", "scalars"),
    [
        (1, (1,)),
        ("x", ("x",)),
        (True, (True,)),
        (1.5, (1.5,)),
        (["x", None, [2], 3], ("x", 3)),
        ({}, ()),
        (None, ()),
    ],
)
def test_the_scalars_at_a_path_are_the_value_or_those_of_a_list(value: Any, scalars: tuple[Any, ...]) -> None:
    assert scalars_at({"a": {"b": value}}, ("a", "b")) == scalars
    assert scalars_at({"a": {"b": value}}, ("a", "c")) == ()


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("a == 1", (), Anchor(("a",), 1)),
        ("a HAS 'x'", (), Anchor(("a",), "x")),
        ("b > 1 AND a.c == 'x'", (), Anchor(("a", "c"), "x")),
        ("a == 1 OR b == 1", (), None),
        ("a == null", (), None),
        ("a == null AND b == 1", (), Anchor(("b",), 1)),
        ("task.a == 1 AND worker.b == 1", ("worker",), Anchor(("b",), 1)),
        ("a != 1", (), None),
        ("worker.a == 1", ("worker",), Anchor(("a",), 1)),
        ("task.a == 1", ("worker",), None),
        ("worker.channel.chat.available == true", ("worker",), None),
        ("worker.channel.chat.available == true AND worker.a == 1", ("worker",), Anchor(("a",), 1)),
        ("channel == 'x'", (), Anchor(("channel",), "x")),
    ],
)
def test_the_anchor_is_what_a_worker_must_have(
    text: str, prefix: tuple[str, ...], expected: Anchor | None
) -> None:
    assert anchor_of(parse(text), prefix) == expected


def test_a_worker_meets_exactly_the_items_filed_under_what_it_has() -> None:
    rng = random.Random(4)
    items, filed = AnchoredItems[int](), dict[int, Anchor | None]()
    for number in range(1000):
        anchor = rng.choice([None, Anchor(("a",), rng.choice(["x", 1, 2])), Anchor(("b", "c"), "x")])
        items.add(number, anchor)
        filed[number] = anchor
        if len(filed) > 8:
            old = rng.choice(list(filed))
            items.remove(old, filed.pop(old))
        values = {"a": rng.choice(VALUES), "b": {"c": rng.choice(VALUES)}}
        expected = {
            item
            for item, anchor in filed.items()
            if anchor is None or anchor.value in scalars_at(values, anchor.path)
        }
        assert set(items.concerning(values)) == expected
    for item, anchor in filed.items():
        items.remove(item, anchor)
    assert (items._free, items._anchored) == ({}, {})


def test_an_anchor_finds_exactly_the_workers_that_have_it() -> None:
    rng = random.Random(5)
    postings, workers = WorkerPostings(), dict[str, dict[str, Any]]()
    anchors = [Anchor((path,), value) for path in "ab" for value in ("x", 1, 2, 1.5)]
    for _ in range(1500):
        sid = str(rng.randrange(12))
        if rng.randrange(3):
            workers[sid] = {"a": rng.choice(VALUES), "b": rng.choice(VALUES)}
            postings.put(sid, workers[sid])
        else:
            postings.remove(sid)
            workers.pop(sid, None)
        anchor = rng.choice(anchors)
        expected = {sid for sid, values in workers.items() if anchor.value in scalars_at(values, anchor.path)}
        found = postings.find(anchor, workers.items())
        assert (set(found), len(found)) == (expected, len(expected))
    for sid in list(workers):
        postings.remove(sid)
    assert (postings._posted, postings._postings) == ({}, {("a",): {}, ("b",): {}})
