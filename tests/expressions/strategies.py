"""Random expression texts and the worlds they are read in: few names and values, so that things meet."""

from typing import Any

from hypothesis import strategies as st

from engine.expressions.canonical import value_text

SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        2,
        -1,
        10,
        0.5,
        1.0,
        2.0,
        "",
        "a",
        "ab",
        "1",
        "true",
        "it's",
        "back\\slash",
        'say "a"',
    ]
)
VALUES: st.SearchStrategy[Any] = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.lists(st.one_of(SCALARS, st.just({"a": 1}), st.just([1])), max_size=2),
    st.just({"a": 1}),
)
NAMES = st.sampled_from(["a", "b", "skills"])
RECORDS = st.dictionaries(NAMES, st.one_of(VALUES, st.dictionaries(NAMES, VALUES, max_size=2)), max_size=3)
ENVS = st.fixed_dictionaries({}, optional={"task": RECORDS, "worker": RECORDS, "x": VALUES})

PATHS = st.one_of(
    st.just("x"),
    st.builds("{}.{}".format, st.sampled_from(["task", "worker"]), NAMES),
    st.builds("{}.{}.{}".format, st.sampled_from(["task", "worker"]), NAMES, NAMES),
    st.builds("{}.{}[{}]".format, st.sampled_from(["task", "worker"]), NAMES, st.integers(0, 2)),
)
CONSTANTS = SCALARS.map(value_text)
ITEMS = st.one_of(CONSTANTS, PATHS)
LISTS = st.lists(st.one_of(ITEMS, st.just("[1]")), max_size=3).map(lambda items: f"[{','.join(items)}]")
OPERANDS = st.one_of(PATHS, PATHS, CONSTANTS, LISTS)
OPERATORS = st.sampled_from(
    [
        "==",
        "=",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "CONTAINS",
        "HAS",
        "has",
        "IN",
        "in",
        "NOT IN",
        "not  in",
        ">- ",
        "<- ",
    ]
)
COMPARISONS = st.builds("{} {} {}".format, OPERANDS, OPERATORS, OPERANDS)


def _compound(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, parts, st.sampled_from(["AND", "OR", "and", "or"]), parts),
        st.builds("({})".format, parts),
        st.builds("NOT ({})".format, parts),
    )


TEXTS = st.recursive(COMPARISONS, _compound, max_leaves=8)
