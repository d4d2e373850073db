"""The grammar of expressions and of order_by, and the way from text to nodes (behaviour §6, OQ-9).

The parser is LALR with an explicit stack and builds nodes as it reduces, so neither depth nor length of a
text costs Python stack. Operands have a rule per position (subject, complement, item) although they take the
same things: that keeps the sets of expected terminals exact, and with them the error messages.

`<-` and `>-` give way to a negative number written against them: `x <-5` compares with -5.
"""

import re
from functools import cache
from math import isinf
from sys import intern
from typing import TypeAlias, cast

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput

from engine.expressions.diagnose import diagnosed, refuse_unreadable
from engine.expressions.errors import ExpressionError
from engine.expressions.nodes import (
    And,
    Comparison,
    ListOf,
    Literal,
    Node,
    Not,
    Operand,
    Operator,
    Or,
    Path,
    Segment,
    Segments,
)

DIGITS_MAX = 1_000
"""Longest number that is read; one with a fraction must also fit a double."""

GRAMMAR = r"""
expression: disjunction
?disjunction: conjunction (_OR conjunction)*
?conjunction: unary (_AND unary)*
?unary: primary
      | _NOT primary -> negation
?primary: comparison
        | _LPAR disjunction _RPAR
comparison: subject OPERATOR complement

?subject: STRING -> string
        | NUMBER -> number
        | CONSTANT -> constant
        | PATH -> path
        | array
?complement: STRING -> string
           | NUMBER -> number
           | CONSTANT -> constant
           | PATH -> path
           | array
array: _LSQB [item (_COMMA item)*] _RSQB
?item: STRING -> string
     | NUMBER -> number
     | CONSTANT -> constant
     | PATH -> path
     | array

order_by: clause (_COMMA clause)*
clause: PATH [DIRECTION]

OPERATOR: /==?|!=|<=|>=|>-(?![0-9])|<-(?![0-9])|[<>]|(?:contains|has|in|not\s+in)<end>/i
STRING: /'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"/s
NUMBER: /-?[0-9]+(?:\.[0-9]+)?/
CONSTANT: /(?:true|false|null)<end>/i
PATH: /(?!(?:and|or|not|in|has|contains|true|false|null)<end>)<name>(?:\s*(?:\.\s*<name>|\[\s*[0-9]+\s*\]))*/i
DIRECTION: /(?:asc|desc)<end>/i
_AND: /and<end>/i
_OR: /or<end>/i
_NOT: /not<end>/i
_LPAR: "("
_RPAR: ")"
_LSQB: "["
_RSQB: "]"
_COMMA: ","
_SPACE: /\s+/
%ignore _SPACE
""".replace("<name>", "[a-z_$][a-z0-9_$]*").replace("<end>", "(?![a-z0-9_$])")

_ESCAPE = re.compile(r"""\\([\\'"])""")
_SEGMENT = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*|[0-9]+")
_SYNONYMS = {"=": "==", ">-": "HAS", "<-": "IN"}
_CONSTANTS = {"true": True, "false": False, "null": None}

Clauses: TypeAlias = tuple[tuple[Segments, bool], ...]


def parse_expression(text: str, *, length_max: int, depth_max: int) -> Node:
    """Return the tree of an expression as it is written; raises ExpressionError."""
    refuse_unreadable(text, length_max=length_max, depth_max=depth_max)
    return cast("Node", _parsed(text, "expression"))


def parse_clauses(text: str, *, length_max: int, depth_max: int) -> Clauses:
    """Return the (path, descending) pairs of an order_by text; raises ExpressionError."""
    refuse_unreadable(text, length_max=length_max, depth_max=depth_max)
    return cast("Clauses", _parsed(text, "order_by"))


def _parsed(text: str, start: str) -> object:
    try:
        return _parser().parse(text, start=start)
    except UnexpectedInput as error:
        raise diagnosed(text, error) from None


@cache
def _parser() -> Lark:
    return Lark(
        GRAMMAR,
        start=["expression", "order_by"],
        parser="lalr",
        lexer="contextual",
        g_regex_flags=re.ASCII,
        maybe_placeholders=False,
        transformer=_Builder(),
    )


class _Builder(Transformer[Token, object]):
    """One method per rule: builds a node from the nodes and tokens of its parts."""

    def expression(self, parts: list[Node]) -> Node:
        return parts[0]

    def disjunction(self, parts: list[Node]) -> Node:
        return Or(tuple(parts))

    def conjunction(self, parts: list[Node]) -> Node:
        return And(tuple(parts))

    def negation(self, parts: list[Node]) -> Node:
        return Not((parts[0],))

    def comparison(self, parts: list[object]) -> Node:
        left, token, right = cast("tuple[Operand, Token, Operand]", tuple(parts))
        spelling = " ".join(token.upper().split())
        return Comparison(Operator(_SYNONYMS.get(spelling, spelling)), left, right, _column(token))

    def string(self, parts: list[Token]) -> Literal:
        inner = str(parts[0][1:-1])
        return Literal(_ESCAPE.sub(r"\1", inner) if "\\" in inner else inner)

    def number(self, parts: list[Token]) -> Literal:
        token = parts[0]
        _check_digits(token, token)
        value = float(token) if "." in token else int(token)
        if isinf(value):
            raise ExpressionError(
                _column(token), "found a number that is too large, expecting one that fits a double"
            )
        return Literal(value)

    def constant(self, parts: list[Token]) -> Literal:
        return Literal(_CONSTANTS[parts[0].lower()])

    def path(self, parts: list[Token]) -> Path:
        return Path(_segments(parts[0]))

    def array(self, parts: list[Operand]) -> Literal | ListOf:
        items = tuple(Literal(()) if isinstance(part, ListOf) else part for part in parts)
        if any(isinstance(item, Path) for item in items):
            return ListOf(items)
        return Literal(tuple(item.value for item in items if isinstance(item, Literal)))

    def order_by(self, parts: list[tuple[Segments, bool]]) -> Clauses:
        return tuple(parts)

    def clause(self, parts: list[Token]) -> tuple[Segments, bool]:
        return _segments(parts[0]), len(parts) > 1 and parts[1].lower() == "desc"


def _column(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos + 1


def _check_digits(token: Token, digits: str) -> None:
    if len(digits) > DIGITS_MAX:
        raise ExpressionError(
            _column(token), f"found a number of {len(digits)} characters, expecting at most {DIGITS_MAX}"
        )


def _segments(token: Token) -> Segments:
    return tuple(_segment(token, part) for part in _SEGMENT.findall(token))


def _segment(token: Token, part: str) -> Segment:
    if not part[0].isdigit():
        return intern(part)
    _check_digits(token, part)
    return int(part)
