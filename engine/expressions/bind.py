"""Partial evaluation: put known values in place of the paths that read them, and fold what follows."""

from collections.abc import Mapping
from typing import Any

from engine.expressions.nodes import Comparison, ListOf, Literal, Node, Operand, Path, rewrite
from engine.expressions.semantics import look_up
from engine.expressions.simplify import constant_of, list_of, simplify_branch, simplify_comparison


def fold(root: Node) -> Node:
    """Return the simplest tree that means the same as `root`."""
    return rewrite(root, simplify_comparison, simplify_branch)


def bind_tree(root: Node, roots: Mapping[str, Any]) -> Node:
    """Replace every path whose first name is in `roots` by the value it has there.

    Args:
        root: a folded tree.
        roots: values by first name; JSON-like. They are read now and copied as far as they matter.

    Returns:
        The residual: folded, and reading none of the names in `roots`.
    """

    def leaf(node: Comparison) -> Node:
        left, right = _bound(node.left, roots), _bound(node.right, roots)
        if left is node.left and right is node.right:
            return node
        return simplify_comparison(Comparison(node.operator, left, right, node.column))

    return rewrite(root, leaf, simplify_branch)


def _bound(operand: Operand, roots: Mapping[str, Any]) -> Operand:
    if isinstance(operand, Path):
        return _looked_up(operand, roots)
    if isinstance(operand, ListOf):
        return list_of([_looked_up(item, roots) for item in operand.items])
    return operand


def _looked_up(operand: Literal | Path, roots: Mapping[str, Any]) -> Literal | Path:
    if isinstance(operand, Path) and operand.segments[0] in roots:
        return constant_of(look_up(operand.segments, roots))
    return operand
