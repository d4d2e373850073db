"""Where the SQL files are: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def sql_directory() -> Path:
    """Return the directory that holds `migrations/` and `queries/`.

    Raises FileNotFoundError when the installation has none.
    """
    for candidate in (_PACKAGE / "_sql", _PACKAGE.parent / "sql"):
        if (candidate / "migrations").is_dir():
            return candidate
    raise FileNotFoundError(f"no SQL files beside {_PACKAGE}: the installation is incomplete")
