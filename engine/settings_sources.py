"""Where settings come from: the TOML file, the environment, the flags; and what to say when one is wrong."""

import os
import pwd
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from engine.errors import SettingsError

Key = tuple[str, str]
"""Section and name of a setting."""
Given = dict[Key, tuple[str, Any]]
"""What was given: where it stands (for messages) and the value."""
Names = Mapping[str, list[str]]
"""The names of all settings by section."""
Overrides = Mapping[Key, Any]
"""Values of command-line flags; None counts as not given."""

ENV_PREFIX = "POINTSMAN_"
SHORT_VARIABLES: dict[str, Key] = {
    "POINTSMAN_DATABASE_URL": ("database", "url"),
    "POINTSMAN_DATA_DIR": ("database", "data_dir"),
    "POINTSMAN_HOST": ("server", "host"),
    "POINTSMAN_PORT": ("server", "port"),
    "POINTSMAN_PUBLIC_URL": ("server", "public_url"),
    "POINTSMAN_ACCOUNT_SID": ("credentials", "account_sid"),
    "POINTSMAN_AUTH_TOKEN": ("credentials", "auth_token"),
}
FLAGS: dict[Key, str] = {
    ("server", "host"): "--host",
    ("server", "port"): "--port",
    ("database", "data_dir"): "--data-dir",
    ("database", "url"): "--database-url",
}
SECRETS: frozenset[Key] = frozenset(
    {
        ("database", "url"),
        ("credentials", "auth_token"),
        ("credentials", "key"),
        ("voice_gateway", "url"),
        ("cluster", "secret"),
    }
)


def variable_of(section: str, name: str) -> str:
    """Return the environment variable that sets `section.name`."""
    short = {key: variable for variable, key in SHORT_VARIABLES.items()}
    return short.get((section, name), f"{ENV_PREFIX}{section}_{name}".upper())


def from_file(path: Path, names: Names) -> Given:
    """Read a TOML file of sections. Raises SettingsError when it is unreadable or has an unknown key."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: is not valid TOML: {error}") from None
    given: Given = {}
    for section, values in tree.items():
        if section not in names:
            raise SettingsError(f"{path}: [{section}]: unknown section{_nearest(section, names)}")
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: {section}: must be a section, written [{section}]")
        for name, value in values.items():
            where = f"{path}: [{section}] {name}"
            if name not in names[section]:
                raise SettingsError(f"{where}: unknown key{_nearest(name, names[section])}")
            given[section, name] = (where, value)
    return given


def from_environment(environ: Mapping[str, str], names: Names, ignore: str) -> Given:
    """Read the POINTSMAN_ variables but `ignore`; empty ones count as not given.

    Raises SettingsError for a variable that no setting has.
    """
    known = {variable_of(section, name): (section, name) for section in names for name in names[section]}
    given: Given = {}
    for variable, text in environ.items():
        if not variable.startswith(ENV_PREFIX) or variable == ignore:
            continue
        if variable not in known:
            raise SettingsError(f"{variable}: unknown variable{_nearest(variable, known)}")
        if text:
            given[known[variable]] = (variable, text)
    return given


def from_flags(overrides: Overrides) -> Given:
    """Take the flags that were given."""
    return {
        key: (FLAGS.get(key, ".".join(key)), value) for key, value in overrides.items() if value is not None
    }


def place_data_dir(given: Given, environ: Mapping[str, str]) -> None:
    """Make the data directory absolute, or put the default in its place when it is not given or empty."""
    key = ("database", "data_dir")
    where, value = given.get(key, ("default", ""))
    if not isinstance(value, str | Path):
        return
    text = str(value)
    if text == "~" or text.startswith("~/"):
        text = f"{_home(environ)}{text[1:]}"
    given[key] = (where, Path(text).absolute() if text else default_data_dir(environ))


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Return /var/lib/pointsman for root, else `pointsman` in the user's data directory.

    Raises SettingsError when the user has no home directory.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/pointsman")
    data_home = Path(environ.get("XDG_DATA_HOME", ""))
    if data_home.is_absolute():
        return data_home / "pointsman"
    return _home(environ) / ".local" / "share" / "pointsman"


def explain(error: ValidationError, given: Given) -> str:
    """Put the first error of a validation into one line: where, what it says, what is allowed."""
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    loc = [str(part) for part in first["loc"]]
    if len(loc) < 2:
        return reason
    key = (loc[0], loc[1])
    where, value = given.get(key, (".".join(key), ""))
    shown = "(hidden)" if key in SECRETS else repr(str(value) if isinstance(value, Path) else value)
    return f"{where}: bad value {shown}: {reason[:1].lower()}{reason[1:]}"


def _nearest(name: str, known: Iterable[str]) -> str:
    options = list(known)
    close = get_close_matches(name, options, n=1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; known are {', '.join(options)}" if len(options) < 20 else "; no such setting"


def _home(environ: Mapping[str, str]) -> Path:
    if environ.get("HOME"):
        return Path(environ["HOME"])
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir)
    except KeyError:
        raise SettingsError(
            "database.data_dir: this user has no home directory; give --data-dir or POINTSMAN_DATA_DIR"
        ) from None
