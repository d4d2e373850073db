"""Merge patches of attributes (RFC 7396)."""

import pytest

from engine.routing import commands as c
from engine.routing.entities import TaskStatus as T
from engine.routing.errors import Refused, VersionMismatch
from engine.routing.merging import merge_text, new_attributes
from tests.routing.world import World


@pytest.fixture
def world() -> World:
    world = World()
    world.simple_workflow(world.queue())
    return world


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        # the examples of RFC 7396, appendix A, whose target and patch are objects
        ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
        ('{"a":"b"}', '{"a":null}', "{}"),
        ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
        ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
        ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
        ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
        ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
    ],
)
def test_a_merge_follows_the_standard(target: str, patch: str, merged: str) -> None:
    assert merge_text(target, patch) == merged


def test_a_merge_leaves_numbers_and_text_as_they_were_written() -> None:
    target = '{"price": 1.50, "id": 123456789012345678901234567890, "name": "Zoë \\"Z\\"", "ok": true}'
    assert merge_text(target, '{"n": 1e3}') == (
        '{"price":1.50,"id":123456789012345678901234567890,"name":"Zoë \\"Z\\"","ok":true,"n":1e3}'
    )


def test_two_merges_of_different_members_both_last(world: World) -> None:
    task, ann = world.task(attributes={"a": 1}), world.worker("ann")
    for command in (
        c.UpdateTask(task, attributes_merge='{"b": 2}'),
        c.UpdateTask(task, attributes_merge='{"c": 3}'),
        c.UpdateWorker(ann, attributes_merge='{"b": 2}'),
        c.UpdateWorker(ann, attributes_merge='{"c": 3}'),
    ):
        view = world.do(command)
        expected = '{"a":1,"b":2' if isinstance(command, c.UpdateTask) else '{"b":2'
        assert view.attributes.startswith(expected)
    assert world.get_worker(ann).values["c"] == 3


def test_a_refused_merge_changes_nothing(world: World) -> None:
    task, ann = world.task(attributes={"a": 1}), world.worker("ann")
    long = f'{{"long": "{"x" * 4090}"}}'
    for command, error in (
        (c.UpdateTask(task, attributes_merge=long), Refused),
        (c.UpdateWorker(ann, attributes_merge=f'{{"l": "{"x" * 4090}"}}'), Refused),
        (c.UpdateTask(task, attributes="{}", attributes_merge="{}"), Refused),
        (c.UpdateWorker(ann, attributes="{}", attributes_merge="{}"), Refused),
        (c.UpdateTask(task, attributes_merge="{}", if_match=77), VersionMismatch),
        (c.UpdateWorker(ann, attributes_merge="{}", if_match=77), VersionMismatch),
        (c.UpdateTask(task, attributes_merge="{}", assignment_status=T.COMPLETED), Refused),
    ):
        with pytest.raises(error):
            world.do(command)
    assert world.do(c.UpdateTask(task)).attributes == '{"a": 1}'
    assert world.do(c.UpdateWorker(ann)).attributes == "{}"


def test_a_merge_may_fill_the_attributes_just_to_their_limit() -> None:
    assert new_attributes("{}", c.UNSET, '{"a": "xx"}', 10) == '{"a":"xx"}'
    with pytest.raises(Refused, match=r"^AttributesMerge: .* 11 characters; at most 10 are allowed$"):
        new_attributes("{}", c.UNSET, '{"a": "xxx"}', 10)


def test_attributes_are_either_merged_or_replaced() -> None:
    assert new_attributes('{"a":1}', '{"b":2}', c.UNSET, 100) == '{"b":2}'
    with pytest.raises(Refused, match=r"^Attributes and AttributesMerge exclude each other$"):
        new_attributes("{}", "{}", "{}", 100)
