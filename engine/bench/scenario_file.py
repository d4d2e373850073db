"""Finding and reading scenario files; what is wrong in one is told with its path."""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import ValidationError

import engine
from engine.bench.errors import BenchError
from engine.bench.scenario import Scenario

ERRORS_SHOWN_MAX = 10


def shipped_directory() -> Path:
    """Return where the shipped scenarios are: in the wheel, or in a clone."""
    package = Path(engine.__file__).parent
    installed = package / "_config" / "bench"
    return installed if installed.is_dir() else package.parent / "config" / "bench"


def shipped_names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(path.stem for path in shipped_directory().glob("*.yaml"))


def load_scenario(name: str) -> Scenario:
    """Return a shipped scenario by its name, or one by the path of its file.

    Raises BenchError that names the file, and the path in it of whatever is wrong.
    """
    path = shipped_directory() / f"{name}.yaml" if name in shipped_names() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(shipped_names())
        raise BenchError(f"{name}: {error.strerror}; shipped scenarios are {known}") from None
    except UnicodeDecodeError:
        raise BenchError(f"{name}: not UTF-8 text") from None
    return parse_scenario(text, name)


def parse_scenario(text: str, origin: str) -> Scenario:
    """Return the scenario in a YAML text. Raises BenchError, one line for each thing that is wrong."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BenchError(f"{origin}: no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(document, dict):
        raise BenchError(
            f"{origin}: a mapping is needed, with name, queues, workers, workflow, tasks, phases"
        )
    try:
        return Scenario.model_validate(document)
    except ValidationError as error:
        raise told(error, origin) from None


def told(error: ValidationError, origin: str) -> BenchError:
    """Return the error that tells what is wrong, a line for each thing with its path."""
    return BenchError("\n".join(f"{origin}: {line}" for line in _lines(error)))


def _lines(error: ValidationError) -> Iterator[str]:
    found = error.errors(include_url=False)
    for each in found[:ERRORS_SHOWN_MAX]:
        path = ".".join(str(step) for step in each["loc"])
        message = str(each["msg"]).removeprefix("Value error, ")
        yield f"{path}: {message}" if path else message
    if len(found) > ERRORS_SHOWN_MAX:
        yield f"and {len(found) - ERRORS_SHOWN_MAX} more"
