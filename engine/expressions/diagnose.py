"""Say what is wrong with a text that is no expression: where, what was found and expected, and a way out."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from engine.expressions.errors import ExpressionError

_FOUND_MAX = 40
_UNREADABLE = re.compile("[\x00\ud800-\udfff]")
_BRACKETS_OUTSIDE_STRINGS = re.compile(
    r"""'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"|(?P<open>[(\[])|(?P<close>[)\]])""", re.DOTALL
)
_SYMBOLS = "=!<>&|+-*/%^~"
_WORD = re.compile(r"[^\W\d][\w$]*|\$[\w$]*")
_NO_WORD = re.compile(r"[^\w$.\[\]]")
_HYPHENATED = re.compile(r"[A-Za-z_$][\w$]*(?:-[\w$]+)+", re.ASCII)
_KEYWORDS = frozenset({"and", "or", "not", "in", "has", "contains", "true", "false", "null"})
_QUOTE_LOOKALIKES = tuple("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u0060\u00b4")
_NO_ARITHMETIC = "there is no arithmetic in expressions"
_SYMBOL_HINTS = {
    "&&": "write AND",
    "&": "write AND",
    "||": "write OR",
    "|": "write OR",
    "===": "write ==",
    "!==": "write !=",
    "<>": "write !=",
    "=!": "write !=",
    "=>": "write >=",
    "=<": "write <=",
    "!": "write NOT before a comparison, or != for unequal",
    "=~": "there are no regular expressions; CONTAINS finds a part of a text",
    "~": "there are no regular expressions; CONTAINS finds a part of a text",
} | dict.fromkeys(["+", "-", "*", "/", "%", "^", "**", "++", "--", "+=", "-="], _NO_ARITHMETIC)


def refuse_unreadable(text: str, *, length_max: int, depth_max: int) -> None:
    """Raise ExpressionError for a text that is too long, nested too deeply, or holds what is not text."""
    if len(text) > length_max:
        raise ExpressionError(
            length_max + 1, f"found {len(text)} characters, expecting at most {length_max} in an expression"
        )
    if (unreadable := _UNREADABLE.search(text)) is not None:
        raise ExpressionError(unreadable.start() + 1, f"found {_character(unreadable[0])}, expecting text")
    if text.count("(") + text.count("[") > depth_max:
        _refuse_deep(text, depth_max)


def _refuse_deep(text: str, depth_max: int) -> None:
    depth = 0
    for bracket in _BRACKETS_OUTSIDE_STRINGS.finditer(text):
        depth += (bracket["open"] is not None) - (bracket["close"] is not None)
        if depth > depth_max:
            raise ExpressionError(
                bracket.start() + 1,
                f"found brackets nested more than {depth_max} deep, expecting at most {depth_max}",
            )


@dataclass(frozen=True, slots=True)
class _Fault:
    """Where reading stopped.

    `position` is 0-based; `found` is the offending piece of text, empty at the end; `allowed` are the
    terminals that could have stood there.
    """

    text: str
    position: int
    found: str
    allowed: Collection[str]

    @property
    def before(self) -> str:
        """The word, if any, that stands last before the fault."""
        head = self.text[: self.position].rstrip()
        return _NO_WORD.split(head[-_FOUND_MAX:])[-1]


def diagnosed(text: str, error: UnexpectedInput) -> ExpressionError:
    """Turn the parser's error about `text` into ours."""
    fault = _fault(text, error)
    if fault.found in ("'", '"'):
        return ExpressionError(
            fault.position + 1,
            f"found a text that is not closed, expecting another {fault.found}",
            "add the closing quote",
        )
    message = f"found {_described(fault.found)}, expecting {_expectation(fault)}"
    return ExpressionError(fault.position + 1, message, _hint(fault))


def _fault(text: str, error: UnexpectedInput) -> _Fault:
    if isinstance(error, UnexpectedToken):
        allowed: Collection[str] = error.expected
        position = len(text) if error.token.type == "$END" else error.token.start_pos
        found = str(error.token)
    else:
        assert isinstance(error, UnexpectedCharacters)
        allowed = error.allowed
        position = error.pos_in_stream or 0
        found = _piece(text, position)
    run_start, run = _symbols_around(text, position)
    if run in _SYMBOL_HINTS:
        position, found = run_start, run
    return _Fault(text, position, found, allowed)


def _piece(text: str, position: int) -> str:
    word = _WORD.match(text, position)
    return text[position] if word is None else word[0]


def _symbols_around(text: str, position: int) -> tuple[int, str]:
    """Return the run of operator characters that covers `position`, and where it starts."""
    start = end = position
    while end < len(text) and text[end] in _SYMBOLS:
        end += 1
    while start > 0 and end > position and text[start - 1] in _SYMBOLS:
        start -= 1
    return start, text[start:end]


def _described(found: str) -> str:
    if not found:
        return "end of expression"
    if len(found) == 1:
        return _character(found)
    shown = found if len(found) <= _FOUND_MAX else f"{found[:_FOUND_MAX]}…"
    return "'" + "".join(character if character.isprintable() else " " for character in shown) + "'"


def _character(character: str) -> str:
    return f"'{character}'" if character.isprintable() else f"character U+{ord(character):04X}"


_EXPECTATIONS: tuple[tuple[frozenset[str], str], ...] = (
    (frozenset({"OPERATOR"}), "operator, such as == or HAS"),
    (frozenset({"_NOT", "STRING"}), "a comparison"),
    (frozenset({"_LPAR", "STRING"}), "a comparison after NOT"),
    (frozenset({"STRING", "_RSQB"}), "a value or ']'"),
    (frozenset({"_COMMA", "_RSQB"}), "',' or ']'"),
    (frozenset({"DIRECTION"}), "ASC, DESC, ',' or the end"),
    (frozenset({"_COMMA"}), "',' or the end"),
    (frozenset({"STRING"}), "a value"),
    (frozenset({"PATH"}), "a name such as worker.level"),
)


def _expectation(fault: _Fault) -> str:
    for terminals, expected in _EXPECTATIONS:
        if terminals <= set(fault.allowed):
            return expected
    return "AND, OR or ')'" if _is_inside_brackets(fault) else "AND, OR or the end of the expression"


def _is_inside_brackets(fault: _Fault) -> bool:
    depth = 0
    for bracket in _BRACKETS_OUTSIDE_STRINGS.finditer(fault.text, 0, fault.position):
        depth += (bracket["open"] is not None) - (bracket["close"] is not None)
    return depth > 0


def _hyphen(fault: _Fault) -> str | None:
    if not fault.found.startswith("-"):
        return None
    start = fault.position
    while start > 0 and (fault.text[start - 1].isalnum() or fault.text[start - 1] in "_$-"):
        start -= 1
    name = _HYPHENATED.match(fault.text, start)
    if name is None:
        return None
    better = name[0].replace("-", "_")[:_FOUND_MAX]
    return f"a name cannot contain '-'; rename the attribute, for example to {better}"


def _symbol(fault: _Fault) -> str | None:
    return _SYMBOL_HINTS.get(fault.found)


def _curly_quote(fault: _Fault) -> str | None:
    return "use straight quotes, ' or \"" if fault.found in _QUOTE_LOOKALIKES else None


def _parenthesised_list(fault: _Fault) -> str | None:
    if fault.found != "(" or "STRING" not in fault.allowed:
        return None
    return "write a list in square brackets, as in ['a', 'b']"


def _misplaced_not(fault: _Fault) -> str | None:
    if fault.found.lower() != "not":
        return None
    if "OPERATOR" in fault.allowed:
        return "write NOT before the whole comparison; only NOT IN is an operator"
    return "write NOT once, or use parentheses"


def _nothing_compared(fault: _Fault) -> str | None:
    if "OPERATOR" not in fault.allowed or fault.found.lower() not in ("", ")", "and", "or"):
        return None
    if fault.before.lower() in ("true", "false"):
        return "write 1==1 for always and 1==0 for never"
    return "an expression compares two values, as in vip == true"


def _bad_path(fault: _Fault) -> str | None:
    if fault.found == ".":
        return "after a dot stands a name of letters, digits, _ and $"
    if fault.found == "[" and "OPERATOR" in fault.allowed:
        return "an index is a whole number, counted from 0"
    return None


def _keyword(fault: _Fault) -> str | None:
    if fault.found.lower() not in _KEYWORDS or "STRING" not in fault.allowed:
        return None
    return f"{fault.found} is a keyword; put it in quotes when it is meant as text"


def _unquoted(fault: _Fault) -> str | None:
    if _WORD.match(fault.found) is None:
        return None
    if not fault.found.isascii():
        return "put text in quotes; names take the letters A to Z, digits, _ and $"
    if "_AND" in fault.allowed and fault.found.lower() not in _KEYWORDS:
        return "put text in quotes, or join comparisons with AND or OR"
    return None


_HINTS: tuple[Callable[[_Fault], str | None], ...] = (
    _hyphen,
    _symbol,
    _curly_quote,
    _parenthesised_list,
    _misplaced_not,
    _nothing_compared,
    _bad_path,
    _keyword,
    _unquoted,
)


def _hint(fault: _Fault) -> str | None:
    return next((hint for rule in _HINTS if (hint := rule(fault)) is not None), None)
