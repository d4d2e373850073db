"""One spelling per meaning: the text by which expressions compare, and which parses back to itself."""

from engine.expressions.nodes import (
    And,
    Comparison,
    ListOf,
    Literal,
    Node,
    Not,
    Operand,
    Or,
    Path,
    Segments,
    Truth,
    Value,
)
from engine.expressions.semantics import number_text

ALWAYS = "1==1"
NEVER = "1==0"


def canonical_text(root: Node) -> str:
    """Return the canonical text of a simplified tree; a constant is `1==1` or `1==0`."""
    parts: list[str] = []
    waiting: list[Node | str] = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            parts.append(node)
        elif isinstance(node, Comparison):
            parts.append(comparison_text(node))
        elif isinstance(node, Truth):
            parts.append(ALWAYS if node.value else NEVER)
        else:
            waiting.extend(reversed(_spelled(node)))
    return "".join(parts)


def _spelled(node: Not | And | Or) -> list[Node | str]:
    if isinstance(node, Not):
        return ["NOT ", *_grouped(node.operands[0])]
    word = " AND " if isinstance(node, And) else " OR "
    pieces: list[Node | str] = []
    for operand in node.operands:
        if pieces:
            pieces.append(word)
        if isinstance(node, And):
            pieces.extend(_grouped(operand))
        else:
            pieces.append(operand)
    return pieces


def _grouped(node: Node) -> list[Node | str]:
    return ["(", node, ")"] if isinstance(node, And | Or) else [node]


def comparison_text(comparison: Comparison) -> str:
    """Return `left operator right` with canonical operands."""
    return f"{operand_text(comparison.left)} {comparison.operator.value} {operand_text(comparison.right)}"


def operand_text(operand: Operand) -> str:
    """Return the canonical spelling of a path, a constant or a list."""
    if isinstance(operand, Path):
        return path_text(operand.segments)
    if isinstance(operand, ListOf):
        return f"[{', '.join(operand_text(item) for item in operand.items)}]"
    assert isinstance(operand, Literal)
    return value_text(operand.value)


def path_text(segments: Segments) -> str:
    """Return `worker.skills[0]` for `("worker", "skills", 0)`."""
    head, *rest = segments
    return str(head) + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest)


def value_text(value: Value) -> str:
    """Return the literal that reads as `value`; inner arrays and objects, which match nothing, as `[]`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, int | float):
        return number_text(value)
    return f"[{', '.join(value_text(item) for item in value)}]"


def quoted(text: str) -> str:
    """Return a string literal in single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
