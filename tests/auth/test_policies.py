"""Policies: which paths a pattern covers, filters, and how several policies add up."""

import re
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.access import Asked, split_path
from engine.api.forms import EMPTY, Form
from engine.api.policies import PathPattern, PolicyGrant
from tests.auth.support import HOSTED, policy

WS = f"{HOSTED}/WS{'a' * 32}"
WK = f"{WS}/Workers/WK{'b' * 32}"


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


def sent(form: Form) -> Callable[[], Awaitable[Form]]:
    async def read() -> Form:
        return form

    return read


async def permits(policies, method: str, url: str, query: Form = EMPTY, form: Form = EMPTY) -> bool:
    asked = Asked(method, "", path_of(url), {}, query, sent(form))
    return await PolicyGrant.of({"policies": policies}).permits(asked)


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        (WS, WS, True),
        (WS, f"{WS}/Workers", False),
        (f"{WS}/Workers/*", WK, True),
        (f"{WS}/Workers/*", f"{WK}/Reservations", False),
        (f"{WS}/Workers/*", f"{WS}/Workers", False),
        (f"{WS}/*/*", WK, True),
        (f"{WS}/**", WK, True),
        (f"{WS}/**", f"{WK}/Reservations", True),
        (f"{WS}/**", WS, False),
        (f"{WK}/Reservations/**", f"{WK}/Reservations", True),
        (f"{WK}/Reservations/**", WK, False),
        (f"{WS}/Tasks/**", f"{WS}/Tasks/WT1/Reservations/WR1", True),
        (f"{WS}/Tasks/**", f"{WS}/TasksX/WT1", False),
        (f"{WS}/**/Reservations", f"{WK}/Reservations", True),
        (f"{WS}/**/Reservations", f"{WK}/Channels", False),
        (f"{WS}/Workers/*/**", WK, False),
        ("http://elsewhere.example:81/v1/Workspaces/**", WS, True),
        ("/v1/Workspaces/**", WS, True),
        ("**", WS, True),
        (f"{WS}/task*", f"{WS}/tasks", False),
        (f"{WS}/workers", f"{WS}/Workers", False),
        (f"{WS}/TaskChannels/*", f"{WS}/TaskChannels/a%2Fb", True),
        (f"{WS}/TaskChannels/*/*", f"{WS}/TaskChannels/a%2Fb", False),
    ],
)
async def test_a_pattern_covers_segments(pattern: str, path: str, covered: bool) -> None:
    assert await permits([policy(pattern)], "GET", path) is covered


async def test_only_reading_a_collection_is_covered_by_what_is_below_it() -> None:
    assert not await permits([policy(f"{WS}/Tasks/**", "POST")], "POST", f"{WS}/Tasks")


@pytest.mark.parametrize(
    ("policies", "covered"),
    [
        ([policy(f"{WS}/Tasks/**", "POST")], False),
        ([policy(f"{WS}/Tasks/*", "POST")], False),
        ([policy(f"{WS}/Tasks", "POST")], True),
        ([policy(f"{WS}/*", "POST")], True),
        ([policy(f"{WS}/**", "POST")], True),
        ([policy(f"{WS}/Tasks/Bulk", "POST")], True),
        ([policy(f"{WS}/*/Bulk", "POST")], True),
        ([policy(f"{WS}/Tasks", "GET")], False),
        ([policy(f"{WS}/Tasks", "POST", post_filter={"Priority": {"required": False}})], False),
        ([policy(f"{WS}/**", "POST"), policy(f"{WS}/Tasks", "POST", allow=False)], False),
        ([policy(f"{WS}/**", "POST"), policy(f"{WS}/Tasks/**", "POST", allow=False)], False),
    ],
)
async def test_many_tasks_are_created_by_whom_one_may_be(policies, covered: bool) -> None:
    assert await permits(policies, "POST", f"{WS}/Tasks/Bulk") is covered


async def test_the_method_must_be_the_same() -> None:
    assert await permits([policy(WK, "post")], "POST", WK)
    assert not await permits([policy(WK, "POST")], "GET", WK)


async def test_a_required_parameter_must_be_sent_and_no_other_may_be() -> None:
    only = [policy(WK, "POST", post_filter={"ActivitySid": {"required": True}, "Note": {"required": False}})]
    assert await permits(only, "POST", WK, form=Form({"ActivitySid": ["WA1"]}))
    assert await permits(only, "POST", WK, form=Form({"ActivitySid": ["WA1"], "Note": ["x"]}))
    assert not await permits(only, "POST", WK, form=Form({"Note": ["x"]}))
    assert not await permits(only, "POST", WK, form=Form({"ActivitySid": ["WA1"], "Attributes": ["{}"]}))
    assert not await permits(only, "POST", WK)


async def test_a_query_filter_leaves_paging_alone() -> None:
    only = [policy(f"{WS}/Tasks", query_filter={"Priority": {"required": True}})]
    assert await permits(only, "GET", f"{WS}/Tasks", query=Form({"Priority": ["1"], "PageSize": ["5"]}))
    assert not await permits(only, "GET", f"{WS}/Tasks", query=Form({"PageSize": ["5"]}))
    assert not await permits(
        only, "GET", f"{WS}/Tasks", query=Form({"Priority": ["1"], "WorkflowSid": ["x"]})
    )


@pytest.mark.parametrize("denial_first", [True, False])
async def test_a_denial_wins_wherever_it_stands(denial_first: bool) -> None:
    policies = [policy(f"{WS}/**"), policy(WK, allow=False)]
    ordered = policies[::-1] if denial_first else policies
    assert not await permits(ordered, "GET", WK)
    assert await permits(ordered, "GET", f"{WK}/Channels")


async def test_no_policy_allows_nothing() -> None:
    assert not await permits([], "GET", WS)
    assert not await permits([{"url": WS, "method": "GET"}], "GET", WS)


segments = st.lists(
    st.sampled_from(["v1", "Workspaces", "WS" + "a" * 32, "Tasks", "x y"]), min_size=1, max_size=6
)


@given(segments)
def test_a_path_covers_itself(path: list[str]) -> None:
    pattern = PathPattern.parse("https://host/" + "/".join(path))
    assert pattern.matches(tuple(path), reading=False)


@given(segments, st.data())
def test_a_star_stands_for_exactly_one_segment(path: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(path) - 1))
    pattern = PathPattern((*path[:at], "*", *path[at + 1 :]))
    assert pattern.matches(tuple(path), reading=False)
    assert not pattern.matches((*path, "more"), reading=False)
    assert not pattern.matches(tuple(path[:-1]), reading=False)


@given(segments, st.data())
def test_two_stars_stand_for_one_or_more_segments(path: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(path) - 1))
    end = data.draw(st.integers(start, len(path)))
    pattern = PathPattern((*path[:start], "**", *path[end:]))
    if end > start:
        assert pattern.matches(tuple(path), reading=False)
    else:
        assert pattern.matches((*path[:start], "new", *path[start:]), reading=False)


@given(
    st.lists(st.sampled_from(["a", "b", "*", "**"]), max_size=6), st.lists(st.sampled_from("ab"), max_size=7)
)
def test_matching_agrees_with_a_regular_expression(pattern: list[str], path: list[str]) -> None:
    spelled = {"*": "/[^/]+", "**": "(?:/[^/]+)+"}
    expression = "".join(spelled.get(segment, f"/{segment}") for segment in pattern)
    expected = re.fullmatch(expression, "".join(f"/{segment}" for segment in path)) is not None
    assert PathPattern(tuple(pattern)).matches(tuple(path), reading=False) is expected


@given(st.text(max_size=40))
def test_any_text_is_a_pattern_or_refused(url: str) -> None:
    try:
        pattern = PathPattern.parse(url)
    except ValueError:
        return
    pattern.matches(split_path("/v1/Workspaces"), reading=True)
