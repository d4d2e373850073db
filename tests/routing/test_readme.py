"""The table of rules in README.md: every row names tests that exist, or says why it has none."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LINES = (HERE / "README.md").read_text().splitlines()
ROWS = [line for line in LINES if line.startswith("| ") and not line.startswith("| row |")]
REFERENCES = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", "\n".join(ROWS))))


@cache
def functions(file: str) -> frozenset[str]:
    """Return the names of the test functions of a file of `tests`."""
    path = HERE / file if "/" not in file else HERE.parent / file
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("file", sorted({file for file, _ in REFERENCES}))
def test_every_test_named_in_the_table_exists(file: str) -> None:
    assert {name for named, name in REFERENCES if named == file} <= functions(file)


def test_every_row_names_a_test_or_says_why_it_has_none() -> None:
    silent = [row for row in ROWS if "::test_" not in row and "not here: " not in row]
    assert silent == []


def test_the_sections_are_those_of_the_reference_that_concern_routing() -> None:
    sections = [line.split(".")[0].removeprefix("## ") for line in LINES if line.startswith("## ")]
    assert sections == ["1", "2", "3", "4", "5", "6", "7", "8", "14", "15"]


def test_every_choice_of_the_reference_has_its_row() -> None:
    firsts = [row.split()[1] for row in ROWS]
    assert {f"CX-{number}" for number in range(1, 21)} <= set(firsts)
    assert {f"OQ-{number}" for number in range(1, 25)} <= set(firsts)
