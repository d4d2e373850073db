"""Turn a folded tree into a function of an environment.

AND, OR and NOT become a flat program of short-circuit jumps: every comparison carries the address to go on
at when it holds and when it does not, so a tree of any depth runs in one loop and without recursion.
"""

from typing import TypeAlias

from engine.expressions.nodes import And, Comparison, Node, Not, Or, Truth
from engine.expressions.predicates import Env, Predicate, predicate_of

Step: TypeAlias = tuple[Predicate, int, int]

_HOLDS = -1
_FAILS = -2
_LATEST = -3
"""Jump targets: the two exits, and (while compiling) the entry of what was emitted last."""


def compile_tree(root: Node) -> Predicate:
    """Return the function that tells whether a tree holds in an environment."""
    if isinstance(root, Comparison | Truth):
        return _leaf(root)
    return _program(_jumps(root))


def _leaf(node: Comparison | Truth) -> Predicate:
    if isinstance(node, Comparison):
        return predicate_of(node)
    value = node.value
    return lambda _env: value


def _program(steps: tuple[Step, ...]) -> Predicate:
    start = len(steps) - 1

    def holds(env: Env) -> bool:
        at = start
        while at >= 0:
            test, if_holds, if_fails = steps[at]
            at = if_holds if test(env) else if_fails
        return at == _HOLDS

    return holds


def _jumps(root: Node) -> tuple[Step, ...]:
    """Emit the steps of a tree from its last comparison to its first, so that every target is known.

    The program starts at its last step. An operand that is not the last of its chain goes on, unless it
    decides the chain, at the operand after it, which was emitted just before.
    """
    steps: list[Step] = []
    waiting: list[tuple[Node, int, int]] = [(root, _HOLDS, _FAILS)]
    while waiting:
        node, if_holds, if_fails = waiting.pop()
        latest = len(steps) - 1
        if_holds = latest if if_holds == _LATEST else if_holds
        if_fails = latest if if_fails == _LATEST else if_fails
        if isinstance(node, Not):
            waiting.append((node.operands[0], if_fails, if_holds))
        elif isinstance(node, And):
            waiting.extend((operand, _LATEST, if_fails) for operand in node.operands[:-1])
            waiting.append((node.operands[-1], if_holds, if_fails))
        elif isinstance(node, Or):
            waiting.extend((operand, if_holds, _LATEST) for operand in node.operands[:-1])
            waiting.append((node.operands[-1], if_holds, if_fails))
        else:
            steps.append((_leaf(node), if_holds, if_fails))
    return tuple(steps)
