"""The account that clients sign in with: given by settings, or made on the first start.

The auth token signs callbacks, so it must be readable again: the database holds it encrypted (Fernet) with a
key that never is in the database: a setting, a file named by a setting, or `key` in the data directory. What
was made here is also kept in `credentials.toml` in the data directory, readable by its owner only.
"""

import os
import secrets
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.fernet import Fernet, InvalidToken

from engine.errors import SettingsError
from engine.settings import Settings

CREDENTIALS_FILE = "credentials.toml"
KEY_FILE = "key"


class AccountRows(Protocol):
    """The accounts table: encrypted tokens by account SID."""

    async def all(self) -> list[tuple[str, bytes]]:
        """SID and encrypted token of every account."""

    async def put(self, account_sid: str, auth_token_encrypted: bytes, /) -> None:
        """Add an account, or replace its token."""


@dataclass(slots=True, frozen=True)
class Credentials:
    """The main account. `created` is True on the start that made any part of it."""

    account_sid: str
    auth_token: str
    created: bool

    def __repr__(self) -> str:
        return f"Credentials(account_sid={self.account_sid!r}, created={self.created})"


async def ensure_credentials(settings: Settings, accounts: AccountRows) -> Credentials:
    """Find the main account or make it, and see that the database holds its token encrypted.

    SID and token each come from the settings, else from the credentials file, else from the database (when
    it holds that account, or just one), else they are made and kept in the file.

    Raises:
        SettingsError: key or file are missing or unusable, the data directory cannot be written, or the
            database holds the account encrypted with another key.
    """
    given = settings.credentials
    cipher = cipher_of(settings)
    file = settings.database.data_dir / CREDENTIALS_FILE
    kept = {} if given.account_sid and given.auth_token else read_credentials(file)
    known = dict(await accounts.all())
    account_sid = given.account_sid or kept.get("account_sid") or _only(known)
    auth_token = (
        given.auth_token or _kept_token(kept, account_sid) or _known_token(known, account_sid, cipher)
    )
    made: dict[str, str] = {}
    if not account_sid:
        account_sid = made["account_sid"] = "AC" + secrets.token_hex(16)
    if not auth_token:
        made["account_sid"] = account_sid
        auth_token = made["auth_token"] = secrets.token_hex(16)
    if made:
        _write_private(file, "".join(f'{name} = "{value}"\n' for name, value in made.items()))
    if _decrypted(cipher, known.get(account_sid)) != auth_token:
        await accounts.put(account_sid, cipher.encrypt(auth_token.encode()))
    return Credentials(account_sid, auth_token, created=bool(made))


def cipher_of(settings: Settings) -> Fernet:
    """Return what encrypts the secrets in the database; its key is made when it is nowhere yet.

    Raises:
        SettingsError: the key is missing, unreadable or not a key.
    """
    key, where = _key(settings)
    try:
        return Fernet(key.strip())
    except ValueError:
        raise SettingsError(f"{where}: is not a key: URL-safe base64 of 32 bytes is needed") from None


def key_of(settings: Settings) -> bytes:
    """Return the key of `cipher_of`, from which other secrets may be derived. Raises SettingsError."""
    return _key(settings)[0].strip().encode()


def _only(known: Mapping[str, bytes]) -> str:
    return next(iter(known)) if len(known) == 1 else ""


def _kept_token(kept: Mapping[str, str], account_sid: str) -> str:
    return kept.get("auth_token", "") if kept.get("account_sid") == account_sid else ""


def _known_token(known: Mapping[str, bytes], account_sid: str, cipher: Fernet) -> str:
    if account_sid not in known:
        return ""
    token = _decrypted(cipher, known[account_sid])
    if token is None:
        raise SettingsError(
            f"the database holds account {account_sid} encrypted with another key: give that key "
            "(POINTSMAN_CREDENTIALS_KEY or credentials.key_file), or set a new token with "
            "POINTSMAN_ACCOUNT_SID and POINTSMAN_AUTH_TOKEN"
        )
    return token


def _decrypted(cipher: Fernet, encrypted: bytes | None) -> str | None:
    if encrypted is None:
        return None
    try:
        return cipher.decrypt(encrypted).decode()
    except InvalidToken:
        return None


def _key(settings: Settings) -> tuple[str, str]:
    """The key and where it came from; made in the data directory when it is nowhere yet."""
    given = settings.credentials
    if given.key:
        return given.key, "credentials.key"
    file = Path(given.key_file) if given.key_file else settings.database.data_dir / KEY_FILE
    try:
        return file.read_text(encoding="ascii"), str(file)
    except (FileNotFoundError, NotADirectoryError):
        if given.key_file:
            raise SettingsError(f"credentials.key_file: there is no file {file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as a key: {error}") from None
    _write_private(file, Fernet.generate_key().decode() + "\n")
    return file.read_text(encoding="ascii"), str(file)


def read_credentials(file: Path) -> dict[str, str]:
    """Return what a credentials file says, nothing when there is none. Raises SettingsError."""
    try:
        kept = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read as credentials: {error}") from None
    if not all(isinstance(value, str) for value in kept.values()):
        raise SettingsError(f"{file}: account_sid and auth_token must be text")
    return kept


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read; it appears complete or not at all."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        # As root the embedded server runs under another account and must reach its own directory in here.
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(file)
    except OSError as error:
        raise SettingsError(
            f"data directory {file.parent}: cannot write {file.name}: {error.strerror}; give a writable "
            "--data-dir, or POINTSMAN_ACCOUNT_SID, POINTSMAN_AUTH_TOKEN and POINTSMAN_CREDENTIALS_KEY"
        ) from None
