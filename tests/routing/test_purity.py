"""The routing core and the expression language are pure: no clock, no randomness, no I/O, no logging."""

import ast
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "engine"
PURE = sorted([*(ENGINE / "routing").glob("*.py"), *(ENGINE / "expressions").glob("*.py")])
FORBIDDEN = {
    "aiohttp",
    "asyncio",
    "asyncpg",
    "datetime",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "structlog",
    "threading",
    "time",
    "uuid",
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", PURE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_pure_packages_import_nothing_of_the_outside_world(path: Path) -> None:
    assert not imported(path) & FORBIDDEN


def test_there_are_pure_packages_to_look_at() -> None:
    assert len(PURE) > 20
