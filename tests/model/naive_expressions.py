"""The expression language a second time, as plainly as it can be written (behaviour §6, OQ-9, OQ-10).

Nothing is compiled or bound: `evaluate(text, names)` walks nested tuples. It exists so that the product's
evaluator has something to disagree with; it accepts every correct expression and is not particular about how
it refuses a wrong one.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>-?\d+(?:\.\d+)?)
      | (?P<string>"[^"]*"|'[^']*')
      | (?P<symbol>==|!=|<=|>=|>-(?!\d)|<-(?!\d)|=|<|>|\(|\)|\[|\]|,|\.)
      | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
    )""",
    re.VERBOSE,
)

SYNONYMS = {"=": "==", ">-": "HAS", "<-": "IN"}
COMPARISONS = {"==", "!=", "<", "<=", ">", ">=", "HAS", "IN", "NOT IN", "CONTAINS"}


class BadExpression(Exception):
    """The text is not an expression."""


def tokens_of(text: str) -> list[tuple[str, str]]:
    """Split `text` into (kind, spelling) pairs, closed by ("end", "")."""
    tokens, position = [], 0
    text = text.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise BadExpression(f"cannot read {text[position:]!r}")
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        position = found.end()
    return [*tokens, ("end", "")]


class Reader:
    """Recursive descent: one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens_of(text)
        self.at = 0

    def peek(self, ahead: int = 0) -> str:
        """The next token: words in upper case, so that keywords compare in any case."""
        kind, spelling = self.tokens[min(self.at + ahead, len(self.tokens) - 1)]
        return spelling.upper() if kind == "word" else spelling if kind == "symbol" else ""

    def take(self, spelling: str) -> bool:
        if self.peek() != spelling:
            return False
        self.at += 1
        return True

    def need(self, spelling: str) -> None:
        if not self.take(spelling):
            raise BadExpression(f"expected {spelling} at token {self.at}")

    def whole(self) -> Any:
        tree = self.disjunction()
        if self.tokens[self.at][0] != "end":
            raise BadExpression(f"unexpected {self.tokens[self.at][1]!r}")
        return tree

    def disjunction(self) -> Any:
        parts = [self.conjunction()]
        while self.take("OR"):
            parts.append(self.conjunction())
        return ("or", parts)

    def conjunction(self) -> Any:
        parts = [self.negation()]
        while self.take("AND"):
            parts.append(self.negation())
        return ("and", parts)

    def negation(self) -> Any:
        if self.take("NOT"):
            return ("not", self.primary())
        return self.primary()

    def primary(self) -> Any:
        if self.take("("):
            inside = self.disjunction()
            self.need(")")
            return inside
        left = self.operand()
        operator = self.operator()
        return ("compare", operator, left, self.operand())

    def operator(self) -> str:
        if self.peek() == "NOT" and self.peek(1) == "IN":
            self.at += 2
            return "NOT IN"
        operator = SYNONYMS.get(self.peek(), self.peek())
        if operator not in COMPARISONS:
            raise BadExpression(f"expected an operator at token {self.at}")
        self.at += 1
        return operator

    def operand(self) -> Any:
        kind, spelling = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return ("value", float(spelling) if "." in spelling else int(spelling))
        if kind == "string":
            return ("value", spelling[1:-1])
        if spelling == "[":
            return ("list", self.items())
        if kind != "word":
            raise BadExpression(f"expected a value at token {self.at - 1}")
        if spelling.lower() in ("true", "false", "null"):
            return ("value", {"true": True, "false": False, "null": None}[spelling.lower()])
        return ("path", self.steps(spelling))

    def items(self) -> list[Any]:
        items: list[Any] = []
        if self.take("]"):
            return items
        items.append(self.operand())
        while self.take(","):
            items.append(self.operand())
        self.need("]")
        return items

    def steps(self, first: str) -> list[str | int]:
        steps: list[str | int] = [first]
        while True:
            if self.take("."):
                steps.append(self.tokens[self.at][1])
                self.at += 1
            elif self.take("["):
                steps.append(int(self.tokens[self.at][1]))
                self.at += 1
                self.need("]")
            else:
                return steps


@lru_cache(maxsize=1000)
def parse(text: str) -> Any:
    """Return the tree of `text`; raises BadExpression."""
    return Reader(text).whole()


def evaluate(text: str, names: dict[str, Any]) -> bool:
    """Tell whether the expression holds where its paths are read from `names`."""
    return truth(parse(text), names)


def truth(tree: Any, names: dict[str, Any]) -> bool:
    if tree[0] == "or":
        return any(truth(part, names) for part in tree[1])
    if tree[0] == "and":
        return all(truth(part, names) for part in tree[1])
    if tree[0] == "not":
        return not truth(tree[1], names)
    _, operator, left, right = tree
    return compare(operator, value_of(left, names), value_of(right, names))


def value_of(operand: Any, names: dict[str, Any]) -> Any:
    if operand[0] == "value":
        return operand[1]
    if operand[0] == "list":
        return [value_of(item, names) for item in operand[1]]
    return look_up(operand[1], names)


def look_up(steps: list[str | int], names: Any) -> Any:
    """Follow a path; whatever is absent is null (behaviour §6)."""
    here = names
    for step in steps:
        if isinstance(step, str) and isinstance(here, dict):
            here = here.get(step)
        elif isinstance(step, int) and isinstance(here, list) and 0 <= step < len(here):
            here = here[step]
        else:
            return None
    return here


def path_of(text: str) -> list[str | int]:
    """Read a bare path such as `task.agent.sid`."""
    tree = Reader(text).operand()
    if tree[0] != "path":
        raise BadExpression(f"{text!r} is not a path")
    steps: list[str | int] = tree[1]
    return steps


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(left: Any, right: Any) -> bool:
    """Numbers are equal by value, other scalars only within their own type, arrays and objects never."""
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, list | dict):
        return False
    return type(left) is type(right) and bool(left == right)


def compare(operator: str, left: Any, right: Any) -> bool:
    """The three families of operators (behaviour §6, OQ-10)."""
    if operator in ("HAS", "IN", "NOT IN"):
        array, item = (left, right) if operator == "HAS" else (right, left)
        found = isinstance(array, list) and any(same(item, each) for each in array)
        return isinstance(array, list) and not found if operator == "NOT IN" else found
    if left is None or right is None:
        return {"==": left is right, "!=": left is not right}.get(operator, False)
    if isinstance(left, list) or isinstance(right, list):
        return False
    return compare_scalars(operator, left, right)


def compare_scalars(operator: str, left: Any, right: Any) -> bool:
    if operator in ("==", "!="):
        return same(left, right) is (operator == "==")
    if operator == "CONTAINS":
        return is_text(left) and is_text(right) and as_text(right) in as_text(left)
    both_numbers = is_number(left) and is_number(right)
    both_texts = isinstance(left, str) and isinstance(right, str)
    if not both_numbers and not both_texts:
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def is_text(value: Any) -> bool:
    return isinstance(value, str) or is_number(value)


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def time_names(now_ms: int) -> dict[str, Any]:
    """`taskrouter.*` at a moment, in UTC (behaviour §5, CX-18)."""
    moment = datetime.fromtimestamp(now_ms // 1000, tz=UTC)
    return {
        "currentTime": moment.hour * 100 + moment.minute,
        "currentHour": moment.hour,
        "currentMin": moment.minute,
        "dayOfWeek": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][moment.weekday()],
    }
