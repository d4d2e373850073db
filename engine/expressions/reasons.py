"""Say why an expression does not hold: which of its conditions fails, and with which values.

Every verdict comes from the compiled tree that evaluation uses; here are only words. Texts are cut so that
an explanation stays short whatever the expression and the attributes are.
"""

from collections.abc import Mapping
from typing import Any

from engine.expressions.canonical import canonical_text, path_text, quoted
from engine.expressions.compile import compile_tree
from engine.expressions.expression import Expression
from engine.expressions.nodes import Node, Or, Segments, Truth, comparisons, paths_of
from engine.expressions.predicates import Predicate
from engine.expressions.semantics import look_up, number_text

CLAUSE_CHARS_MAX = 200
VALUE_CHARS_MAX = 60
VALUES_MAX = 5
ALTERNATIVES_MAX = 4


class Clause:
    """One condition of those that must all hold.

    Args:
        node: a folded tree.
        root: a first name to leave out when paths are spelled: `level` for `worker.level`.
    """

    __slots__ = ("_node", "_paths", "_root", "holds", "text")

    def __init__(self, node: Node, root: str | None = None) -> None:
        self.holds: Predicate = compile_tree(node)
        self.text: str = _cut(canonical_text(node), CLAUSE_CHARS_MAX)
        self._node = node
        self._root = root
        self._paths = _paths(node)

    @property
    def failure(self) -> str:
        """What is the case while it does not hold, without values."""
        if isinstance(self._node, Truth):
            return f"{self.text} never holds"
        if not isinstance(self._node, Or):
            return f"{self.text} is false"
        alternatives = self._node.operands
        if len(alternatives) > ALTERNATIVES_MAX:
            return f"none of {len(alternatives)} alternatives holds"
        names = ", ".join(canonical_text(node) for node in alternatives)
        return f"none of {_cut(names, CLAUSE_CHARS_MAX)} holds"

    def why_not(self, env: Mapping[str, Any]) -> str:
        """Return `failure` with the values that were read: `worker.level >= 3 is false: level is 2`."""
        values = self.values(env)
        return f"{self.failure}: {values}" if values else self.failure

    def values(self, env: Mapping[str, Any], only: str | None = None) -> str:
        """Return `level is 2, kinds is missing`; `only` keeps the paths that begin with that name."""
        paths = [path for path in self._paths if only is None or path[0] == only]
        told = [f"{self._name(path)} is {value_shown(look_up(path, env))}" for path in paths[:VALUES_MAX]]
        return ", ".join([*told, "…"] if len(paths) > VALUES_MAX else told)

    def _name(self, path: Segments) -> str:
        shown = path[1:] if len(path) > 1 and path[0] == self._root else path
        return _cut(path_text(shown), VALUE_CHARS_MAX)


class Clauses:
    """The conditions of an expression in the order they are looked at; made once, asked for many workers."""

    __slots__ = ("_clauses",)

    def __init__(self, expression: Expression, root: str | None = None) -> None:
        self._clauses = [Clause(node, root) for node in expression.conjuncts()]

    def first_failing(self, env: Mapping[str, Any]) -> Clause | None:
        """Return the first condition that does not hold, or None when all do."""
        for clause in self._clauses:
            if not clause.holds(env):
                return clause
        return None


def why_never(expression: Expression, roots: Mapping[str, Any]) -> str | None:
    """Say which condition cannot hold any more once `roots` are known, whatever the rest is; else None.

    Reads like `worker.level >= task.level can hold for nobody: task.level is missing`.
    """
    for node in expression.conjuncts():
        if Expression(node).bind(roots).constant is False:
            clause = Clause(node)
            values = ", ".join(filter(None, (clause.values(roots, only=name) for name in roots)))
            told = f"{clause.text} can hold for nobody"
            return f"{told}: {values}" if values else told
    return None


def value_shown(value: object) -> str:
    """Spell a JSON-like value for people; absent and null are the same to an expression."""
    return "missing" if value is None else _cut(_spelled(value), VALUE_CHARS_MAX)


def _spelled(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(_cut(value, VALUE_CHARS_MAX))
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, list | tuple):
        items = ["[…]" if isinstance(item, list) else _spelled(item) for item in value[:VALUE_CHARS_MAX]]
        return f"[{', '.join(items)}]"
    return "an object"


def _paths(node: Node) -> list[Segments]:
    """Return the paths that a tree reads, each once, in source order."""
    found: dict[Segments, None] = {}
    for comparison in comparisons(node):
        for operand in (comparison.left, comparison.right):
            found.update(dict.fromkeys(paths_of(operand)))
    return list(found)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else f"{text[: chars_max - 1]}…"
