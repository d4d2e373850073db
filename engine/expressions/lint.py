"""Find what is probably a mistake in an expression that reads well: warnings, never refusals.

Each comparison, as it was written, is put to the table of `lint_rules`; chains of AND and OR to
`lint_chains`; what names stand for is told by `Names`, which differs from place to place. Findings are made
one by one and linear in the expression, so who wants only the first hundred pays only for those.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from engine.expressions.expression import Expression
from engine.expressions.lint_cases import Case, Known, Side, constant_side
from engine.expressions.lint_chains import contradictions
from engine.expressions.lint_rules import RULES
from engine.expressions.nodes import (
    Comparison,
    Literal,
    Node,
    Operand,
    Operator,
    Path,
    Segments,
    comparisons,
    paths_of,
)

__all__ = ["ANY_NAMES", "Finding", "Known", "Names", "lint"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is probably wrong and what would be right, on one line.

    `column` is where the comparison that it is about begins, 1-based; None when it is about the whole.
    """

    column: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.column is None else f"column {self.column}: {self.message}"


class Names(Protocol):
    """What names stand for in the place where an expression is written."""

    @property
    def prefix(self) -> str:
        """What an attribute's name has in front of it: `worker.` or nothing."""

    @property
    def roots(self) -> frozenset[str]:
        """The first names of paths that are known here."""

    def complaint(self, path: Segments) -> str | None:
        """Return what is wrong with using this path here and what would be right, or None."""

    def known(self, path: Segments) -> Known | None:
        """Return what is known of the values at this path; None when nothing is."""


class _AnyNames:
    prefix = ""
    roots: frozenset[str] = frozenset()

    def complaint(self, _path: Segments) -> str | None:
        return None

    def known(self, _path: Segments) -> Known | None:
        return None


ANY_NAMES: Names = _AnyNames()
"""For an expression of which nothing but its text is known."""


def lint(expression: Expression, names: Names = ANY_NAMES) -> Iterator[Finding]:
    """Yield the probable mistakes of an expression in source order, those about the whole last.

    A whole expression such as `1==1` or `1=0` is deliberate and has none.
    """
    root = expression.root
    if _is_deliberate(root):
        return
    inspector = _Inspector(names, root)
    starts = _Starts(expression.text)
    for comparison in comparisons(root):
        for message in inspector.messages(comparison):
            yield Finding(starts.column(comparison), message)
    for comparison, message in contradictions(root):
        yield Finding(starts.column(comparison), message)
    if not isinstance(root, Comparison) and expression.constant is not None:
        outcome = "always" if expression.constant else "never"
        short = "1==1" if expression.constant else "1==0"
        yield Finding(None, f"the whole condition {outcome} holds; write {short} if that is meant")


def _is_deliberate(root: Node) -> bool:
    return (
        isinstance(root, Comparison)
        and root.operator in (Operator.EQ, Operator.NE)
        and isinstance(root.left, Literal)
        and isinstance(root.right, Literal)
        and isinstance(root.left.value, int)
        and isinstance(root.right.value, int)
    )


_OPERANDS = re.compile(
    r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]]|-?[0-9][0-9.]*"""
    r"""|(?!(?:and|or|not|in|has|contains)(?![\w$]))[a-z_$][\w$]*(?:\s*(?:\.\s*[a-z_$][\w$]*|\[\s*[0-9]+\s*\]))*""",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)


class _Starts:
    """Where the comparisons of a text begin; the text is read again only when that is asked."""

    __slots__ = ("_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: list[int] | None = None

    def column(self, comparison: Comparison) -> int:
        """Return the column of the operand before the comparison's operator, 1-based."""
        if self._starts is None:
            self._starts = _operand_starts(self._text)
        index = bisect_left(self._starts, comparison.column - 1)
        return self._starts[index - 1] + 1


def _operand_starts(text: str) -> list[int]:
    starts: list[int] = []
    depth = 0
    for operand in _OPERANDS.finditer(text):
        if operand[0] == "]":
            depth -= 1
            continue
        if depth == 0:
            starts.append(operand.start())
        if operand[0] == "[":
            depth += 1
    return starts


class _Inspector:
    """Looks at the comparisons of one expression; complains about each name once."""

    __slots__ = ("_complaints", "_names", "_null_tested", "_prefix", "_roots")

    def __init__(self, names: Names, root: Node) -> None:
        self._names = names
        self._prefix = names.prefix
        self._roots = names.roots
        self._null_tested = frozenset(_null_tested(root))
        self._complaints: dict[Segments, bool] = {}

    def messages(self, comparison: Comparison) -> Iterator[str]:
        """Yield what is wrong with a comparison: its names, else the first rule that speaks."""
        named_well = True
        for path in (*paths_of(comparison.left), *paths_of(comparison.right)):
            told = path in self._complaints
            complaint = None if told else self._complaint(path, comparison)
            if complaint is not None:
                yield complaint
            if not told:
                self._complaints[path] = complaint is not None
            named_well = named_well and not self._complaints[path]
        if not named_well:
            return
        case = self._case(comparison)
        for rule in RULES[comparison.operator]:
            message = rule(case)
            if message is not None:
                yield message
                return

    def _complaint(self, path: Segments, comparison: Comparison) -> str | None:
        complaint = self._names.complaint(path)
        if complaint is not None or _tests_absence(comparison):
            return complaint
        known = self._names.known(path)
        return None if known is None else known.absent

    def _case(self, comparison: Comparison) -> Case:
        left, right = self._side(comparison.left), self._side(comparison.right)
        return Case(comparison, left, right, self._prefix, self._roots, self._null_tested)

    def _side(self, operand: Operand) -> Side:
        if isinstance(operand, Path):
            return Side(operand, self._names.known(operand.segments))
        return constant_side(operand)


def _null_tested(root: Node) -> Iterator[Segments]:
    for comparison in comparisons(root):
        if comparison.operator in (Operator.EQ, Operator.NE):
            for one, other in ((comparison.left, comparison.right), (comparison.right, comparison.left)):
                if isinstance(one, Path) and isinstance(other, Literal) and other.value is None:
                    yield one.segments


def _tests_absence(comparison: Comparison) -> bool:
    """Tell whether it is `path == null`, which asks for what nobody may have."""
    sides = (comparison.left, comparison.right)
    return comparison.operator is Operator.EQ and any(
        isinstance(side, Literal) and side.value is None for side in sides
    )
