"""The linter of single expressions: what it warns of, what it lets pass, and that what it claims is true."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.expressions.expression import parse
from engine.expressions.lint import ANY_NAMES, Finding, Known, lint
from engine.expressions.lint_cases import shown
from engine.expressions.nodes import Segments
from engine.expressions.semantics import Kind
from tests.expressions.strategies import COMPARISONS, ENVS, TEXTS


def findings(text: str) -> list[Finding]:
    return list(lint(parse(text)))


WARNED = {
    "a quoted name": ('"language" == "spanish"', 1, "write language == 'spanish'"),
    "a quoted path": ("'a.b[0]' != 1", 1, "write a.b[0] != 1"),
    "a quoted name that HAS": ("'skills' HAS team", 1, "write skills HAS team"),
    "HAS on a number": (
        "5 HAS level",
        1,
        "HAS looks in an array and never holds without one, but 5 is a num",
    ),
    "HAS with an array": ("skills HAS ['a', 'b']", 1, "write skills HAS 'a' AND skills HAS 'b'"),
    "IN text": ("team IN 'sales'", 1, "write team IN ['sales']"),
    "NOT IN text": ("team NOT IN 'sales'", 1, "write team NOT IN ['sales']"),
    "an array IN": ("['a', 'b'] IN skills", 1, "IN looks for one value, but ['a', 'b'] is an array"),
    "an array NOT IN": ("[1] NOT IN skills", 1, "so this excludes nothing"),
    "IN nothing": ("team IN []", 1, "team IN [] never holds"),
    "NOT IN what may be missing": ("sid NOT IN task.no", 1, "write (sid NOT IN task.no OR task.no == null)"),
    "equal to an array": ("skills == ['a', 'b']", 1, "write skills IN ['a', 'b']"),
    "unequal to an array": ("skills != ['a']", 1, "write skills NOT IN ['a']"),
    "unequal to an empty array": ("skills != []", 1, "write skills != null"),
    "an array CONTAINS": ("['a'] CONTAINS skills", 1, "CONTAINS compares single values"),
    "ordered by an array": ("level > [1]", 1, "compare one of its items"),
    "number against text": ("1 == '1'", 1, "1 is a number and '1' is text: they are never equal"),
    "number unlike text": ("1 != 'x'", 1, "they are always unequal"),
    "number before text": ("5 < 'x'", 1, "they have no common order"),
    "ordered by a boolean": ("vip > false", 1, "false is a boolean, which has no order"),
    "ordered by null": ("level >= null", 1, "null, which has no order"),
    "CONTAINS a boolean": ("vip CONTAINS true", 1, "CONTAINS looks for text in text"),
    "ordered by digits": ("level >= '10'", 1, "write 10 without quotes, and keep numbers in level"),
    "ordered by digits, other way round": ("'2.5' < level", 1, "write 2.5 without quotes"),
    "two constants": ("'a b' == 'c'", 1, "'a b' == 'c' never holds"),
    "a constant part": ("1 == 1 AND level == 2", 1, "1 == 1 always holds"),
    "the column of a later comparison": ("a == 1 OR [1, 'b'] HAS 7", 11, "[1, 'b'] HAS 7 never holds"),
    "the column without spaces": ("x>'3'", 1, "write 3 without quotes"),
    "the column behind a list": ("x IN [1, y] AND [1, 'b'] HAS 7 OR 1 == x", 17, "[1, 'b'] HAS 7 never"),
    "the column behind two lists": ("x IN [1, 2] AND y IN [3] AND z > '3'", 30, "write 3 without quotes"),
    "the column behind brackets": ("NOT ( x . y [0] > '3')", 7, "write 3 without quotes"),
    "the column behind a string with quotes": (r"a == 'it\'s \"x\"' OR b > '3'", 23, "write 3"),
    "two values at once": ("x == 1 AND x == 2", 12, "x == 1 and x == 2 never hold together; write OR"),
    "an empty range": ("hour >= 20 AND hour < 8", 16, "never hold together"),
    "an empty range of one limit": ("x > 1 AND y == 2 AND x < 1", 22, "x > 1 and x < 1 never hold together"),
    "a range without its limit": ("x > 1 AND x <= 1", 11, "x > 1 and x <= 1 never hold together"),
    "a range above a limit left out": ("x >= 3 AND x > 3 AND x <= 3", 22, "x > 3 and x <= 3 never"),
    "a range above a limit left out before": ("x > 3 AND x >= 3 AND x <= 3", 22, "x > 3 and x <= 3 never"),
    "a range below a limit left out": ("x <= 3 AND x < 3 AND x >= 3", 22, "x < 3 and x >= 3 never"),
    "a range below a limit left out before": ("x < 3 AND x <= 3 AND x >= 3", 22, "x < 3 and x >= 3 never"),
    "the first of two equal limits": ("x > 1 AND 1 < x AND x < 1", 21, "x > 1 and x < 1 never"),
    "the first of two equal limits above": ("x < 1 AND 1 > x AND x > 1", 21, "x < 1 and x > 1 never"),
    "a chain within a chain": ("y == 1 OR x == 1 AND x == 2", 22, "x == 1 and x == 2 never hold together"),
    "a chain behind something else": ("y HAS 'a' AND x == 1 AND x == 2", 26, "x == 1 and x == 2 never"),
    "a value out of range": ("x > 5 AND x == 3", 11, "never hold together"),
    "everything but nothing": ("x != 'a' OR x != 'b'", 13, "holds whatever text x is; write AND"),
    "every number": ("hour > 8 OR 18 > hour", 13, "hour > 8 or 18 > hour holds whatever number hour is"),
    "either boolean": ("vip != true OR vip != false", 16, "holds whatever boolean vip is"),
}


@pytest.mark.parametrize(("text", "column", "says"), WARNED.values(), ids=WARNED.keys())
def test_a_probable_mistake_is_told_once_with_its_column(text: str, column: int, says: str) -> None:
    (found,) = findings(text)
    assert found.column == column
    assert says in found.message
    assert str(found) == f"column {column}: {found.message}"


@pytest.mark.parametrize(
    "text",
    [
        "1==1",
        "1==0",
        "1=0",
        "(1 = 1)",
        "true == true",
        "skills HAS 'a' AND level >= 3",
        "'en' IN languages OR 'en' == language",
        "language IN ['en', 'es'] AND NOT vip == true",
        "team NOT IN ['a'] AND agent != null AND other == null",
        "sid NOT IN task.no OR task.no == null",
        "task.no != null AND sid NOT IN task.no",
        "level CONTAINS '4' AND name > 'm'",
        "hour >= 20 OR hour < 8",
        "hour >= 8 AND hour < 18",
        "x == 1 OR x == 2",
        "x != 1 AND x != 2",
        "x >= 1 AND x <= 1",
        "x == 1 AND y == 2",
        "x == 1 AND x == '1'",
        "x IN [y, 'a']",
        "(x == 1 OR y == 1) AND (x == 2 OR y == 2)",
    ],
)
def test_what_is_meant_as_it_stands_passes(text: str) -> None:
    assert findings(text) == []


def test_a_whole_condition_that_is_constant_is_told_at_the_end_without_a_column() -> None:
    *_, last = findings("x == 1 AND (1 == 2 OR 2 == 3)")
    assert (last.column, last.message) == (
        None,
        "the whole condition never holds; write 1==0 if that is meant",
    )
    *_, last = findings("x == 1 OR 2 == 2")
    assert str(last) == "the whole condition always holds; write 1==1 if that is meant"


OF_KIND = {
    "level": Kind.NUMBER,
    "team": Kind.STRING,
    "vip": Kind.BOOLEAN,
    "tags": Kind.ARRAY,
    "home": Kind.OBJECT,
}


CHOICES: Mapping[object, Sequence[str]] = {"none": (), "ten": "abcdefghij", "eleven": "abcdefghijk"}


class WorkerNames:
    """A place where one attribute of every kind is known."""

    prefix = "worker."
    roots = frozenset({"worker"})

    def complaint(self, path: Segments) -> str | None:
        return None if path[0] == "worker" else f"unknown {path[0]}"

    def known(self, path: Segments) -> Known | None:
        if path == ("worker", "day"):
            return Known(frozenset({Kind.STRING}), missing=False, values=("Mon", "Tue"))
        if path == ("worker", "gone"):
            return Known(frozenset(), absent="nobody has it")
        if path == ("worker", "mixed"):
            return Known(frozenset({Kind.STRING, Kind.NUMBER}), where=" here")
        if path == ("worker", "sure"):
            return Known(frozenset({Kind.ARRAY}), missing=False)
        if path[-1] in CHOICES:
            return Known(frozenset({Kind.STRING}), values=CHOICES[path[-1]])
        kind = OF_KIND.get(str(path[-1]))
        return None if kind is None else Known(frozenset({kind}), where=" here")


KNOWN = {
    "HAS on text": (
        "worker.team HAS 'a'",
        "worker.team is text here; write worker.team == 'a' or worker.team CON",
    ),
    "HAS on an object": ("worker.home HAS 'a'", "name the key that has the array"),
    "IN text": ("'a' IN worker.team", "write 'a' == worker.team"),
    "NOT IN a number": ("worker.x NOT IN worker.level", "write worker.x != worker.level"),
    "== on an array": ("worker.tags == 'a'", "write worker.tags HAS 'a'"),
    "!= on an array": ("worker.tags != 'a'", "write NOT worker.tags HAS 'a'"),
    "CONTAINS on an array": ("worker.tags CONTAINS 'a'", "write worker.tags HAS 'a'"),
    "an array IN a list": ("worker.tags IN ['a', 'b']", "ask for each value, as in worker.tags HAS 'a'"),
    "text for a number": ("worker.level >= '3'", "write 3 without quotes"),
    "a word for a number": ("worker.level == 'x'", "compare worker.level with a number"),
    "text for a boolean": ("worker.vip == 'True'", "write true without quotes"),
    "1 for a boolean": ("worker.vip == 1", "write true"),
    "a number for text": ("worker.team == 7", "write '7' in quotes"),
    "a boolean for text": ("true == worker.team", "write 'true' in quotes"),
    "a number before text": ("worker.team > 7", "keep numbers in worker.team"),
    "an object": ("worker.home == worker.x", "name one of its keys"),
    "a list of texts for a number": (
        "worker.level IN ['1', '2']",
        "nothing in ['1', '2'] is, so this never holds",
    ),
    "no such day": ("worker.day == 'MON'", "worker.day is never 'MON'; write 'Mon'"),
    "a long day": ("worker.day NOT IN ['Mon', 'Tuesday']", "is never 'Tuesday'; write 'Tue'"),
    "a day of a list": ("['Wed'] HAS worker.day", "it is one of 'Mon', 'Tue'"),
    "ordered days": ("worker.day >= 'Mon'", "list the values that are meant, as in worker.day IN ['Mon']"),
    "a quoted path": ("worker.x == 'worker.y'", "write worker.y"),
    "a quoted name where names have a prefix": ("'level' == 3", "write worker.level == 3"),
    "an unknown name": ("team == 'a'", "unknown team"),
    "an unknown name that is also compared wrongly": ("team IN 'a'", "unknown team"),
    "NOT IN an array that may be missing": ("worker.x NOT IN worker.tags", "NOT IN is false where worker.t"),
    "an absent attribute": ("worker.gone HAS 'a'", "nobody has it"),
}


@pytest.mark.parametrize(("text", "says"), KNOWN.values(), ids=KNOWN.keys())
def test_what_is_known_of_a_name_counts(text: str, says: str) -> None:
    (found,) = lint(parse(text), WorkerNames())
    assert says in found.message


@pytest.mark.parametrize(
    "text",
    [
        "worker.tags HAS 'a' AND worker.level >= 3 AND worker.vip == true AND worker.team CONTAINS 'a'",
        "worker.team IN ['a', 7] AND worker.tags != null AND worker.home == null",
        "worker.gone == null",
        "worker.level == worker.x AND worker.x HAS worker.team",
        "worker.level CONTAINS 4 AND worker.day IN ['Mon', 'Tue']",
        "'Mon' == worker.day",
        "worker.x == 'a.b' AND worker.x != 'worker'",
        "worker.x NOT IN worker.sure",
        "worker.mixed == 'a' OR worker.mixed > 3",
    ],
)
def test_what_agrees_with_what_is_known_passes(text: str) -> None:
    assert list(lint(parse(text), WorkerNames())) == []


IN_FULL = {
    "level >= null": "null, which has no order, so this never holds; use == or !=",
    "worker.mixed HAS 'a'": "HAS looks in an array and never holds without one, "
    "but worker.mixed is a number or text here; write worker.mixed == 'a'",
    "worker.level HAS 'a'": "HAS looks in an array and never holds without one, "
    "but worker.level is a number here; write worker.level == 'a'",
    "worker.team HAS 'a'": "HAS looks in an array and never holds without one, "
    "but worker.team is text here; write worker.team == 'a' or worker.team CONTAINS 'a'",
    "worker.home HAS 'a'": "HAS looks in an array and never holds without one, "
    "but worker.home is an object here; name the key that has the array",
    "worker.tags HAS ['a', 'b', 'c']": "HAS looks for one value, but ['a', 'b', 'c'] is an array, "
    "so this never holds; write worker.tags HAS 'a' AND worker.tags HAS 'b'",
    "worker.tags HAS ['a']": "HAS looks for one value, but ['a'] is an array, "
    "so this never holds; compare with one value",
    "worker.tags NOT IN ['a']": "NOT IN looks for one value, but worker.tags is an array here, "
    "so this excludes nothing; ask for each value, as in worker.tags HAS 'a'",
    "worker.tags IN worker.x": "IN looks for one value, but worker.tags is an array here, "
    "so this never holds; compare with one value",
    "worker.home IN ['a', 'b']": "IN looks for one value, but worker.home is an object here, "
    "so this never holds; compare with one value",
    "worker.level IN ['x', 'y']": "worker.level is a number here, but nothing in ['x', 'y'] is, "
    "so this never holds; list a number",
    "worker.level NOT IN ['1', '2']": "worker.level is a number here, but nothing in ['1', '2'] is, "
    "so this always holds; write 1 without quotes",
    "[1] == 1": "== compares single values, but [1] is an array; write one value",
    "['a'] CONTAINS worker.x": "CONTAINS compares single values, but ['a'] is an array; write one value",
    "worker.x > [1]": "> compares single values, but [1] is an array; compare one of its items",
    "worker.vip == 'x'": "worker.vip is a boolean here and 'x' is text: they are never equal; "
    "compare worker.vip with a boolean",
    "worker.vip == 'false'": "worker.vip is a boolean here and 'false' is text: they are never equal; "
    "write false without quotes",
    "worker.vip == 2": "worker.vip is a boolean here and 2 is a number: they are never equal; "
    "compare worker.vip with a boolean",
    "worker.vip == 0": "worker.vip is a boolean here and 0 is a number: they are never equal; write false",
    "worker.level == true": "worker.level is a number here and true is a boolean: they are never equal; "
    "compare worker.level with a number",
    "worker.mixed == true": "worker.mixed is a number or text here and true is a boolean: "
    "they are never equal; write 'true' in quotes",
    "true != worker.mixed": "true is a boolean and worker.mixed is a number or text here: "
    "they are always unequal; write 'true' in quotes",
    "worker.mixed == worker.vip": "worker.mixed is a number or text here and worker.vip is a boolean here: "
    "they are never equal; compare worker.mixed with a number or text",
    "worker.home > worker.vip": "worker.home is an object here, which has no order, so this never holds; "
    "use == or !=",
    "'worker.level' == 3": "'worker.level' in quotes is text and not the value of that name; "
    "write worker.level == 3",
    "worker.none == 'a'": "worker.none is never 'a'; it has no value here",
    "worker.ten == 'x'": "worker.ten is never 'x'; "
    "it is one of 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j'",
    "worker.eleven == 'x'": "worker.eleven is never 'x'; "
    "it is one of 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', …",
}


@pytest.mark.parametrize(("text", "told"), IN_FULL.items())
def test_a_finding_in_full(text: str, told: str) -> None:
    names = ANY_NAMES if text.startswith("level") else WorkerNames()
    assert [found.message for found in lint(parse(text), names)] == [told]


def test_what_a_message_repeats_is_on_one_line_and_not_long() -> None:
    assert shown("a\nb\x07c") == "a b c"
    assert shown("x" * 60) == "x" * 60
    assert shown("x" * 61) == "x" * 59 + "…"


def test_a_name_is_complained_about_once() -> None:
    text = "team == 'a' OR team == 'b' OR worker.gone == 1 OR worker.gone == 2"
    assert [found.column for found in lint(parse(text), WorkerNames())] == [1, 31]


def test_messages_are_short_and_on_one_line_whatever_is_quoted() -> None:
    text = "x == '" + "a\nb\x07c" * 2_000 + "' AND 1 == 2 AND y HAS [" + "'z'," * 5_000 + "1]"
    for found in findings(text):
        assert len(found.message) < 500
        assert found.message.isprintable()


def test_findings_are_made_one_by_one() -> None:
    found = lint(parse(" AND ".join(f"x{n} > '3'" for n in range(3_000))))
    assert [next(found).column for _ in range(3)] == [1, 14, 27]


CLAIMS = {"never hold": False, "always hold": True, "never equal": False, "always unequal": True}


@given(COMPARISONS, ENVS)
def test_what_is_said_to_hold_never_or_always_does(text: str, env: dict[str, object]) -> None:
    for found in findings(text):
        for claim, outcome in CLAIMS.items():
            if claim in found.message:
                assert parse(text).evaluate(env) is outcome


BOUNDS = st.builds(
    "x {} {}".format,
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.sampled_from(["1", "2", "3", "'a'", "'b'", "true"]),
)


@given(
    st.lists(BOUNDS, min_size=2, max_size=4),
    st.sampled_from(["AND", "OR"]),
    st.sampled_from([0, 1, 1.5, 2, 2.5, 3, 4, "", "a", "ab", "b", "c", True, False, None, [1]]),
)
def test_a_chain_that_is_said_to_never_or_always_hold_does(
    parts: list[str], word: str, value: object
) -> None:
    text = f" {word} ".join(parts)
    for found in findings(text):
        if "never hold together" in found.message:
            assert not parse(text).evaluate({"x": value})
        if "holds whatever number" in found.message and type(value) in (int, float):
            assert parse(text).evaluate({"x": value})
        if "holds whatever text" in found.message and isinstance(value, str):
            assert parse(text).evaluate({"x": value})


@given(TEXTS)
def test_every_expression_can_be_linted_and_columns_lie_in_the_text(text: str) -> None:
    for names in (None, WorkerNames()):
        found = lint(parse(text)) if names is None else lint(parse(text), names)
        for finding in found:
            assert finding.column is None or 1 <= finding.column <= len(text)
            assert finding.message.isprintable()
