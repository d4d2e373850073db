"""The account: given or made, kept private, encrypted in the database, never in the log."""

import re
import stat
import tomllib
from pathlib import Path

import asyncpg
import pytest
from cryptography.fernet import Fernet

from engine.credentials import Credentials, cipher_of, ensure_credentials
from engine.errors import SettingsError
from engine.keyring import Keyring
from engine.settings import Settings
from engine.storage.accounts import Accounts
from engine.storage.keys import ApiKeys
from engine.storage.pool import Database

GIVEN_SID = "AC" + "1" * 32
GIVEN = {"POINTSMAN_ACCOUNT_SID": GIVEN_SID, "POINTSMAN_AUTH_TOKEN": "given-token"}


@pytest.fixture
def accounts(pools: Database) -> Accounts:
    return Accounts(pools)


def settings(data_dir: Path, **environ: str) -> Settings:
    return Settings.load(environ={"HOME": "/none", "POINTSMAN_DATA_DIR": str(data_dir)} | environ)


async def ensure(data_dir: Path, accounts: Accounts, **environ: str) -> Credentials:
    return await ensure_credentials(settings(data_dir, **environ), accounts)


async def keyring(data_dir: Path, accounts: Accounts, pools: Database) -> Keyring:
    ring = Keyring(cipher_of(settings(data_dir)), accounts, ApiKeys(pools))
    await ring.refresh()
    return ring


async def test_the_first_start_makes_an_account_and_keeps_it(tmp_path: Path, accounts: Accounts) -> None:
    made = await ensure(tmp_path, accounts)
    assert made.created
    assert re.fullmatch(r"AC[0-9a-f]{32}", made.account_sid)
    assert re.fullmatch(r"[0-9a-f]{32}", made.auth_token)
    kept = tomllib.loads((tmp_path / "credentials.toml").read_text())
    assert kept == {"account_sid": made.account_sid, "auth_token": made.auth_token}
    assert await ensure(tmp_path, accounts) == Credentials(made.account_sid, made.auth_token, created=False)


async def test_what_was_made_can_be_read_by_its_owner_only(tmp_path: Path, accounts: Accounts) -> None:
    await ensure(tmp_path / "data", accounts)
    for name in ("credentials.toml", "key"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


async def test_the_database_holds_the_token_only_encrypted(
    tmp_path: Path, accounts: Accounts, pools: Database, database: str
) -> None:
    made = await ensure(tmp_path, accounts)
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch("SELECT * FROM accounts")
    finally:
        await connection.close()
    assert len(rows) == 1
    assert made.auth_token not in str(rows)
    assert made.auth_token.encode() not in bytes(rows[0]["auth_token_encrypted"])
    tokens = await keyring(tmp_path, accounts, pools)
    assert tokens.token_of(made.account_sid) == made.auth_token
    assert tokens.token_of(GIVEN_SID) is None


async def test_given_credentials_are_used_and_no_file_holds_them(
    tmp_path: Path, accounts: Accounts, pools: Database
) -> None:
    assert await ensure(tmp_path, accounts, **GIVEN) == Credentials(GIVEN_SID, "given-token", created=False)
    assert not (tmp_path / "credentials.toml").exists()
    tokens = await keyring(tmp_path, accounts, pools)
    assert tokens.token_of(GIVEN_SID) == "given-token"


async def test_a_new_given_token_replaces_the_stored_one(
    tmp_path: Path, accounts: Accounts, pools: Database
) -> None:
    await ensure(tmp_path, accounts, **GIVEN)
    await ensure(tmp_path, accounts, **(GIVEN | {"POINTSMAN_AUTH_TOKEN": "second-token"}))
    tokens = await keyring(tmp_path, accounts, pools)
    assert tokens.token_of(GIVEN_SID) == "second-token"


async def test_given_once_stays_known_when_no_longer_given(tmp_path: Path, accounts: Accounts) -> None:
    await ensure(tmp_path, accounts, **GIVEN)
    assert await ensure(tmp_path, accounts) == Credentials(GIVEN_SID, "given-token", created=False)


async def test_a_given_sid_alone_gets_a_token(tmp_path: Path, accounts: Accounts) -> None:
    made = await ensure(tmp_path, accounts, POINTSMAN_ACCOUNT_SID=GIVEN_SID)
    assert (made.account_sid, made.created) == (GIVEN_SID, True)
    assert await ensure(tmp_path, accounts) == Credentials(GIVEN_SID, made.auth_token, created=False)


async def test_a_given_token_alone_gets_a_sid_and_stays_out_of_the_file(
    tmp_path: Path, accounts: Accounts
) -> None:
    token = {"POINTSMAN_AUTH_TOKEN": "given-token"}
    made = await ensure(tmp_path, accounts, **token)
    assert made.created
    assert "given-token" not in (tmp_path / "credentials.toml").read_text()
    assert await ensure(tmp_path, accounts, **token) == Credentials(made.account_sid, "given-token", False)


async def test_a_key_can_be_given_and_then_no_directory_is_needed(tmp_path: Path, accounts: Accounts) -> None:
    nowhere = tmp_path / "file" / "data"
    nowhere.parent.write_text("")
    key = Fernet.generate_key().decode()
    await ensure(nowhere, accounts, **GIVEN, POINTSMAN_CREDENTIALS_KEY=key)
    key_file = tmp_path / "my.key"
    key_file.write_text(key + "\n")
    found = await ensure(tmp_path, accounts, POINTSMAN_CREDENTIALS_KEY_FILE=str(key_file))
    assert found == Credentials(GIVEN_SID, "given-token", created=False)


async def test_another_key_is_refused_until_the_credentials_are_given_again(
    tmp_path: Path, accounts: Accounts, pools: Database
) -> None:
    await ensure(tmp_path / "first", accounts, **GIVEN)
    with pytest.raises(SettingsError, match="another key"):
        await ensure(tmp_path / "second", accounts)
    await ensure(tmp_path / "second", accounts, **GIVEN)
    tokens = await keyring(tmp_path / "second", accounts, pools)
    assert tokens.token_of(GIVEN_SID) == "given-token"


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"POINTSMAN_CREDENTIALS_KEY": "short"}, "credentials.key: is not a key"),
        ({"POINTSMAN_CREDENTIALS_KEY_FILE": "/none/key"}, "credentials.key_file: there is no file /none/key"),
    ],
)
async def test_an_unusable_key_is_named(
    tmp_path: Path, accounts: Accounts, environ: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=re.escape(says)):
        await ensure(tmp_path, accounts, **environ)


async def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path, accounts: Accounts) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"data directory .*give a writable --data-dir"):
        await ensure(tmp_path / "file" / "data", accounts)


@pytest.mark.parametrize("text", ["not toml", "account_sid = 5\n"])
async def test_a_broken_credentials_file_is_named(tmp_path: Path, accounts: Accounts, text: str) -> None:
    (tmp_path / "credentials.toml").write_text(text)
    with pytest.raises(SettingsError, match=re.escape("credentials.toml")):
        await ensure(tmp_path, accounts)


def test_the_token_is_not_in_the_representation() -> None:
    assert "hunter2" not in repr(Credentials(GIVEN_SID, "hunter2", created=True))
