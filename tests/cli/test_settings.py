"""Settings: flags over environment over file over defaults, and one clear line for what is wrong."""

import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SettingsError
from engine.settings import Settings, sections
from engine.settings_sources import Key, default_data_dir, variable_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "pointsman.example.toml"
HOME = {"HOME": "/home/somebody"}


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def refusal(
    config: Path | None = None, flags: dict[Key, Any] | None = None, environ: dict[str, str] | None = None
) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.load(config, flags, HOME | (environ or {}))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_flag_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    config = toml(tmp_path, "[server]\nport = 1\nhost = 'file'\npublic_url = 'http://file'\n")
    environ = HOME | {"POINTSMAN_PORT": "2", "POINTSMAN_HOST": "environment"}
    server = Settings.load(config, {("server", "port"): "3", ("server", "host"): None}, environ).server
    assert (server.port, server.host, server.public_url) == (3, "environment", "http://file")
    assert server.request_bytes_max == type(server)().request_bytes_max


def test_every_setting_can_be_given_by_its_variable() -> None:
    for section, model in sections().items():
        for name in model.model_fields:
            default = getattr(getattr(Settings.load(environ=HOME), section), name)
            if name == "key_file":
                continue
            environ = HOME | {variable_of(section, name): str(default)}
            assert getattr(getattr(Settings.load(environ=environ), section), name) == default


@pytest.mark.parametrize(
    ("variable", "section", "name"),
    [
        ("POINTSMAN_DATABASE_URL", "database", "url"),
        ("POINTSMAN_DATA_DIR", "database", "data_dir"),
        ("POINTSMAN_HOST", "server", "host"),
        ("POINTSMAN_PORT", "server", "port"),
        ("POINTSMAN_PUBLIC_URL", "server", "public_url"),
        ("POINTSMAN_ACCOUNT_SID", "credentials", "account_sid"),
        ("POINTSMAN_AUTH_TOKEN", "credentials", "auth_token"),
        ("POINTSMAN_CALLBACKS_ALLOW_PRIVATE", "callbacks", "allow_private"),
        ("POINTSMAN_RUNTIME_INBOX_COMMANDS_MAX", "runtime", "inbox_commands_max"),
        ("POINTSMAN_VOICE_GATEWAY_URL", "voice_gateway", "url"),
    ],
)
def test_documented_variables_name_their_settings(variable: str, section: str, name: str) -> None:
    assert variable_of(section, name) == variable


def test_an_empty_variable_counts_as_not_given() -> None:
    assert Settings.load(environ=HOME | {"POINTSMAN_PORT": ""}).server.port == 8080


def test_the_file_can_be_named_by_a_variable(tmp_path: Path) -> None:
    config = toml(tmp_path, "[server]\nport = 99\n")
    assert Settings.load(environ=HOME | {"POINTSMAN_CONFIG": str(config)}).server.port == 99


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[server]\nprot = 1\n", '[server] prot: unknown key; did you mean "port"?'),
        ("[sevrer]\nport = 1\n", '[sevrer]: unknown section; did you mean "server"?'),
        ("port = 1\n", "[port]: unknown section"),
        ("server = 1\n", "server: must be a section"),
        ("[server]\nport = 'x'\n", "[server] port: bad value 'x': input should be a valid integer"),
        ("[server]\nport = true\n", "[server] port: bad value True: a number is needed"),
        (
            "[server]\nport = 65536\n",
            "[server] port: bad value 65536: input should be less than or equal to 65535",
        ),
        ("[server]\nport = -1\n", "[server] port: bad value -1: input should be greater than or equal to 0"),
        ("[server]\nhost = 5\n", "[server] host: bad value 5: input should be a valid string"),
        ("[server]\nshutdown_drain_s = nan\n", "[server] shutdown_drain_s: bad value nan"),
        ("[server]\nshutdown_drain_s = 0\n", "[server] shutdown_drain_s: bad value 0"),
        ("[server]\npublic_url = 'router'\n", "an absolute URL is needed"),
        ("[logging]\nlevel = 'loud'\n", "input should be 'debug', 'info', 'warning' or 'error'"),
        ("[database]\ndata_dir = 5\n", "[database] data_dir: bad value 5"),
        ("[runtime]\nlease_ttl_s = 5\n", "must be less than"),
        ("[server\n", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_one_line_naming_file_key_and_value(tmp_path: Path, text: str, says: str) -> None:
    config = toml(tmp_path, text)
    message = refusal(config)
    assert says in message
    assert str(config) in message or "must be less than" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml") == f"{tmp_path}/none.toml: there is no such file"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("POINTSMAN_PROT", "1", 'POINTSMAN_PROT: unknown variable; did you mean "POINTSMAN_PORT"?'),
        ("POINTSMAN_SERVER_PORT", "1", 'did you mean "POINTSMAN_PORT"?'),
        ("POINTSMAN_PORT", "eighty", "POINTSMAN_PORT: bad value 'eighty'"),
        (
            "POINTSMAN_CALLBACKS_ALLOW_PRIVATE",
            "maybe",
            "POINTSMAN_CALLBACKS_ALLOW_PRIVATE: bad value 'maybe'",
        ),
        ("POINTSMAN_ACCOUNT_SID", "AC1", "POINTSMAN_ACCOUNT_SID: bad value 'AC1': \"AC\" followed by 32"),
        ("POINTSMAN_DATABASE_URL", "mysql://h", "POINTSMAN_DATABASE_URL: bad value"),
        (
            "POINTSMAN_VOICE_GATEWAY_URL",
            "ftp://user:secret@h/",
            "POINTSMAN_VOICE_GATEWAY_URL: bad value (hidden): the URL must start with http:// or https://",
        ),
    ],
)
def test_a_wrong_variable_is_one_line_naming_it(variable: str, value: str, says: str) -> None:
    assert says in refusal(environ={variable: value})


def test_a_wrong_flag_is_one_line_naming_it() -> None:
    assert refusal(flags={("server", "port"): "x"}).startswith("--port: bad value 'x'")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POINTSMAN_AUTH_TOKEN", "hunter2 with spaces"),
        ("POINTSMAN_DATABASE_URL", "mysql://me:hunter2@host"),
    ],
)
def test_a_wrong_secret_is_not_shown(variable: str, value: str) -> None:
    message = refusal(environ={variable: value})
    assert variable in message
    assert "hunter2" not in message


def test_secrets_are_not_in_the_representation_of_the_settings() -> None:
    given = {
        "POINTSMAN_AUTH_TOKEN": "hunter2",
        "POINTSMAN_DATABASE_URL": "postgresql://me:hunter2@host/db",
        "POINTSMAN_CREDENTIALS_KEY": "hunter2",
    }
    assert "hunter2" not in repr(Settings.load(environ=HOME | given))


def test_settings_are_frozen() -> None:
    settings = Settings.load(environ=HOME)
    for name, section in settings:
        for owner, field in ((settings, name), *((section, field) for field, _ in section)):
            with pytest.raises(ValueError, match="frozen"):
                setattr(owner, field, 1)


def test_the_data_directory_is_absolute_and_may_start_at_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for given, expected in (("here", tmp_path / "here"), ("~/there", Path("/home/somebody/there"))):
        assert Settings.load(environ=HOME | {"POINTSMAN_DATA_DIR": given}).database.data_dir == expected


def test_the_default_data_directory_depends_on_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_dir(HOME) == Path("/var/lib/pointsman")
    monkeypatch.setattr("os.geteuid", lambda: 2**31 - 7)
    assert default_data_dir(HOME) == Path("/home/somebody/.local/share/pointsman")
    assert default_data_dir(HOME | {"XDG_DATA_HOME": "/data"}) == Path("/data/pointsman")
    assert default_data_dir(HOME | {"XDG_DATA_HOME": "relative"}) == default_data_dir(HOME)
    with pytest.raises(SettingsError, match="--data-dir"):
        default_data_dir({})


def test_the_example_lists_every_setting_with_its_default_and_a_reason() -> None:
    example = tomllib.loads(EXAMPLE.read_text())
    defaults = {
        section: {
            name: field.get_default(call_default_factory=True) for name, field in model.model_fields.items()
        }
        for section, model in sections().items()
    }
    defaults["database"]["data_dir"] = ""
    assert example == defaults
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        assert " = " not in line or line.startswith("#") or before.startswith("#"), f"no reason above: {line}"


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.toml")), ids=lambda path: path.name)
def test_the_shipped_files_load(path: Path) -> None:
    Settings.load(path, environ=HOME)


def test_every_setting_is_explained_in_the_tree() -> None:
    for section, model in sections().items():
        for name, field in model.model_fields.items():
            assert field.description, f"{section}.{name}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"CLUSTER_LISTEN": "8081"}, "CLUSTER_LISTEN: bad value '8081': an address such as"),
        ({"CLUSTER_LISTEN": "node.sock"}, "an address such as"),
        ({"CLUSTER_LISTEN": "10.0.0.5:70000"}, "an address such as"),
        ({"CLUSTER_LISTEN": "/" + "x" * 103}, "the path of a unix socket may have 103 bytes"),
        ({"CLUSTER_LISTEN": "0.0.0.0:8081"}, "cluster.advertise must name the address"),
        ({"CLUSTER_ADVERTISE": "10.0.0.5:8081"}, "cluster.advertise needs cluster.listen"),
        ({"CLUSTER_SECRET": "short-secret"}, "CLUSTER_SECRET: bad value (hidden): 16 to 256 visible"),
        ({"CLUSTER_FORWARD_TIMEOUT_S": "30"}, "must be more than runtime.request_timeout_s"),
    ],
)
def test_a_node_that_others_could_not_reach_is_refused(given: dict[str, str], said: str) -> None:
    environ = {f"POINTSMAN_{name}": value for name, value in given.items()}
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ=environ)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "address", ["10.0.0.5:8081", "[fd00::5]:8081", "node-2:0", "/run/pointsman/node.sock"]
)
def test_a_node_takes_requests_of_others_at_a_port_or_a_socket(address: str) -> None:
    settings = Settings.load(environ={"POINTSMAN_CLUSTER_LISTEN": address})
    assert settings.cluster.listen == address
