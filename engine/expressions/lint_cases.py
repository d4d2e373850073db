"""What the linter looks at: a comparison with what is known of its two sides, and how messages repeat it."""

from collections.abc import Collection
from dataclasses import dataclass

from engine.expressions.canonical import operand_text
from engine.expressions.nodes import Comparison, ListOf, Literal, Operand, Operator, Segments
from engine.expressions.semantics import Kind, kind_of

SHOWN_MAX = 60
"""Longest piece of an expression that a message repeats, in characters."""

NOUNS = {
    Kind.NULL: "null",
    Kind.BOOLEAN: "a boolean",
    Kind.NUMBER: "a number",
    Kind.STRING: "text",
    Kind.ARRAY: "an array",
    Kind.OBJECT: "an object",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the values that a path reads.

    `kinds` are those that occur, null left out; none when nothing has a value there, and then `absent` says
    so. `missing` tells whether the value can be missing; `where` ends a sentence such as "worker.level is a
    number…". `values` are all texts it can be, where they are few and known.
    """

    kinds: frozenset[Kind]
    missing: bool = True
    where: str = ""
    values: Collection[str] | None = None
    absent: str | None = None


_OF_KIND = {kind: Known(frozenset({kind}), missing=False) for kind in Kind}


@dataclass(slots=True)
class Side:
    """One operand, with what is known of it."""

    operand: Operand
    known: Known | None

    @property
    def kinds(self) -> frozenset[Kind] | None:
        """The kinds that its value can have; None when that is not known."""
        return self.known.kinds or None if self.known else None

    @property
    def text(self) -> str:
        """How it is written, shortened."""
        return shown(operand_text(self.operand))

    @property
    def said(self) -> str:
        """A clause that tells what it is."""
        assert self.known is not None
        nouns = " or ".join(NOUNS[kind] for kind in sorted(self.known.kinds))
        return nouns if nouns == self.text else f"{self.text} is {nouns}{self.known.where}"

    def is_only(self, *kinds: Kind) -> bool:
        """Tell whether it is known to have no other kinds than these."""
        return self.kinds is not None and self.kinds <= set(kinds)

    def lacks(self, kind: Kind) -> bool:
        """Tell whether it is known never to have this kind."""
        return self.kinds is not None and kind not in self.kinds


@dataclass(slots=True)
class Case:
    """A comparison and where it stands.

    `prefix` is what a name has in front of it there, `roots` the first names that are known there, and
    `null_tested` the paths that the expression compares with null somewhere.
    """

    comparison: Comparison
    left: Side
    right: Side
    prefix: str
    roots: frozenset[str]
    null_tested: frozenset[Segments]

    @property
    def operator(self) -> Operator:
        """The operator."""
        return self.comparison.operator

    @property
    def sides(self) -> tuple[tuple[Side, Side], tuple[Side, Side]]:
        """Each side with the other one."""
        return (self.left, self.right), (self.right, self.left)


def shown(text: str) -> str:
    """Return a text as a message repeats it: on one line and not long."""
    cut = text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 1]}…"
    return "".join(character if character.isprintable() else " " for character in cut)


def constant_side(operand: Literal | ListOf) -> Side:
    """Return the side of an operand whose kind stands in the text."""
    return Side(operand, _OF_KIND[kind_of(operand.value) if isinstance(operand, Literal) else Kind.ARRAY])
