"""The named queries of `sql/queries/*.sql`.

A query begins with a line `-- name: its_name` and ends before the next one. A module names each query it
uses once, at import, with `query("its_name")`: an unknown name fails there, and `verify()` fails for a query
that no module uses. Slots such as `{page}` are filled by `paging.py`; every value travels as a parameter.
"""

import importlib
import pkgutil
import re
from functools import cache
from pathlib import Path

import engine.storage
from engine.errors import PointsmanError
from engine.storage.resources import sql_directory

_NAME = re.compile(r"^-- name: (\w+)\s*$")
_used: set[str] = set()


class QueryNamesWrong(PointsmanError):
    """The SQL files and the code disagree on the names of the queries."""


def query(name: str) -> str:
    """Return the text of the query with that name.

    Raises QueryNamesWrong when no file has it.
    """
    _used.add(name)
    try:
        return known_queries()[name]
    except KeyError:
        raise QueryNamesWrong(f"no query named {name} in {sql_directory() / 'queries'}") from None


@cache
def known_queries() -> dict[str, str]:
    """Return all queries by name. Raises QueryNamesWrong when two have the same one."""
    found: dict[str, str] = {}
    for path in sorted((sql_directory() / "queries").glob("*.sql")):
        for name, text in parse_queries(path):
            if name in found:
                raise QueryNamesWrong(f"two queries are named {name}, the second in {path.name}")
            found[name] = text
    return found


def parse_queries(path: Path) -> list[tuple[str, str]]:
    """Split one file into (name, text) pairs; what stands before the first name is the file's comment."""
    blocks: list[tuple[str, list[str]]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := _NAME.match(line):
            blocks.append((match[1], []))
        elif blocks:
            blocks[-1][1].append(line)
    return [(name, "\n".join(lines).strip().rstrip(";")) for name, lines in blocks]


def verify() -> None:
    """Import every module of this package and compare the names. Raises QueryNamesWrong on a difference."""
    for module in pkgutil.iter_modules(engine.storage.__path__):
        importlib.import_module(f"engine.storage.{module.name}")
    if unused := sorted(known_queries().keys() - _used):
        raise QueryNamesWrong(f"queries that nothing uses: {', '.join(unused)}")
