"""What the documentation promises: two commands, every log event, files that ship."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
LOGGERS = {"log", "_log"}
LEVELS = {"debug", "info", "warning", "error", "exception"}


def logged_events() -> Iterator[str]:
    for path in (ROOT / "engine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id=name), attr=level),
                    args=[ast.Constant(value=str(event)), *_],
                ) if name in LOGGERS and level in LEVELS:
                    yield event


def test_the_readme_lists_every_event_that_is_logged() -> None:
    documented = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", README))
    logged = set(logged_events())
    assert len(logged) > 20
    assert logged - documented == set()


def test_the_readme_has_exactly_two_commands_of_one_line_each() -> None:
    commands = [line for line in README.splitlines() if line.startswith("python3 -m venv")]
    assert [command.rsplit(maxsplit=1)[1] for command in commands] == ["quickstart", "pytest"]
    for command in commands:
        assert "-c constraints.txt" in command


def test_the_readme_names_only_files_that_exist() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_dependency_is_bounded_and_pinned_by_version_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    pinned = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    for requirement in required:
        name, bounds = re.findall(r"^([\w.-]+)(.*)", requirement)[0]
        assert ">=" in bounds, requirement
        assert "<" in bounds, requirement
        assert re.fullmatch(r"[\w.]+", pinned[name.lower()]), requirement


def test_the_check_script_is_executable_and_parses() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True, timeout=10)
