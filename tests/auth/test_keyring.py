"""The keyring: what is in force, when changes made elsewhere count, and that guessing costs little."""

import asyncio
import math
import time

import pytest
from cryptography.fernet import Fernet

from engine.api.auth import Authenticator
from engine.api.problems import ApiError
from engine.clock import wall_clock_ms
from engine.errors import StoreUnavailable
from engine.keyring import LOOK_UP_PAUSE_S, Keyring, TooManyKeys
from engine.storage.accounts import AccountRow, Accounts
from engine.storage.keys import ApiKeys
from engine.storage.pool import Database
from tests.auth.support import ACCESS_HEADER, access, basic, bearer, sign
from tests.storage.builders import new_sid

ACCOUNT = "AC" + "1" * 32


@pytest.fixture
def cipher() -> Fernet:
    return Fernet(Fernet.generate_key())


async def two_nodes(pools: Database, cipher: Fernet, **options: int) -> tuple[Keyring, Keyring]:
    accounts, keys = Accounts(pools), ApiKeys(pools)
    await accounts.put(ACCOUNT, cipher.encrypt(b"token"))
    nodes = Keyring(cipher, accounts, keys, **options), Keyring(cipher, accounts, keys)
    for node in nodes:
        await node.refresh()
    return nodes


async def test_a_key_is_in_force_here_at_once_and_elsewhere_when_used(
    pools: Database, cipher: Fernet
) -> None:
    here, elsewhere = await two_nodes(pools, cipher)
    key = await here.create_key(new_sid("SK"), ACCOUNT, "name")
    header = basic(key.sid, key.secret)
    for node in (here, elsewhere):
        principal = await Authenticator(node, wall_clock_ms).identify(header)
        assert (principal.account_sid, principal.signed_by) == (ACCOUNT, key.sid)


async def test_a_revocation_counts_here_at_once_and_elsewhere_after_a_refresh(
    pools: Database, cipher: Fernet
) -> None:
    here, elsewhere = await two_nodes(pools, cipher)
    key = await here.create_key(new_sid("SK"), ACCOUNT, "")
    await elsewhere.refresh()
    header = basic(key.sid, key.secret)
    checks = [Authenticator(node, wall_clock_ms) for node in (here, elsewhere)]
    for check in checks:
        await check.identify(header)
    assert await here.revoke_key(ACCOUNT, key.sid)
    assert not await here.revoke_key(ACCOUNT, key.sid)
    assert checks[0].recall(header) is None
    with pytest.raises(ApiError):
        await checks[0].identify(header)
    await elsewhere.refresh()
    with pytest.raises(ApiError):
        await checks[1].identify(header)


async def test_the_rows_are_read_again_every_so_often_also_after_a_failure(
    pools: Database, cipher: Fernet
) -> None:
    rows = CountedRows(pools, failures=1)
    ring = Keyring(cipher, rows, ApiKeys(pools))
    ring.start(0.001)
    async with asyncio.timeout(10):
        await rows.read_thrice.wait()
    await ring.stop()


async def test_a_changed_auth_token_counts_when_it_is_first_used(pools: Database, cipher: Fernet) -> None:
    here, _ = await two_nodes(pools, cipher)
    check = Authenticator(here, wall_clock_ms)
    await check.identify(basic(ACCOUNT, "token"))
    await Accounts(pools).put(ACCOUNT, cipher.encrypt(b"changed"))
    await check.identify(basic(ACCOUNT, "changed"))
    with pytest.raises(ApiError):
        await check.identify(basic(ACCOUNT, "token"))


async def test_a_suspended_account_is_refused_with_its_keys_and_tokens(
    pools: Database, cipher: Fernet
) -> None:
    here, _ = await two_nodes(pools, cipher)
    key = await here.create_key(new_sid("SK"), ACCOUNT, "")
    token = sign(access(key.sid, ACCOUNT, new_sid("WS"), "admin"), key.secret, ACCESS_HEADER)
    headers = [basic(ACCOUNT, "token"), basic(key.sid, key.secret), bearer(token)]
    check = Authenticator(here, wall_clock_ms)
    for header in headers:
        await check.identify(header)
    await Accounts(pools).set_status(ACCOUNT, "suspended")
    await here.refresh()
    for header in headers:
        with pytest.raises(ApiError) as caught:
            await check.identify(header)
        assert (caught.value.status, caught.value.code) == (403, 20005)
    with pytest.raises(ApiError) as caught:
        await check.identify(basic(ACCOUNT, "wrong"))
    assert caught.value.status == 401
    assert here.token_of(ACCOUNT) == "token"


async def test_a_remembered_token_expires_to_the_second(pools: Database, cipher: Fernet) -> None:
    here, _ = await two_nodes(pools, cipher)
    key = await here.create_key(new_sid("SK"), ACCOUNT, "")
    now_ms = [1_700_000_000_000]
    check = Authenticator(here, lambda: now_ms[0])
    claims = access(key.sid, ACCOUNT, new_sid("WS"), "admin", exp=1_700_000_010, nbf=1_700_000_000)
    header = bearer(sign(claims, key.secret, ACCESS_HEADER))
    await check.identify(header)
    now_ms[0] += 9_999
    assert check.recall(header) is not None
    now_ms[0] += 1
    with pytest.raises(ApiError) as caught:
        await check.identify(header)
    assert caught.value.code == 20104
    now_ms[0] -= 12_001
    with pytest.raises(ApiError) as caught:
        await Authenticator(here, lambda: now_ms[0]).identify(header)
    assert caught.value.code == 20105


async def test_an_account_has_no_more_keys_than_allowed(pools: Database, cipher: Fernet) -> None:
    here, _ = await two_nodes(pools, cipher, keys_max=2)
    for _ in range(2):
        await here.create_key(new_sid("SK"), ACCOUNT, "")
    with pytest.raises(TooManyKeys):
        await here.create_key(new_sid("SK"), ACCOUNT, "")
    with pytest.raises(TooManyKeys):
        await here.create_key(new_sid("SK"), "AC" + "2" * 32, "")


async def test_the_database_holds_secrets_only_encrypted(pools: Database, cipher: Fernet) -> None:
    here, _ = await two_nodes(pools, cipher)
    key = await here.create_key(new_sid("SK"), ACCOUNT, "")
    (row,) = await ApiKeys(pools).rows()
    assert key.secret.encode() not in row.secret_encrypted
    assert cipher.decrypt(row.secret_encrypted).decode() == key.secret
    assert key.secret not in repr(key) + repr(row) + repr(here.account(ACCOUNT))


async def test_what_another_key_encrypted_is_left_out(pools: Database, cipher: Fernet) -> None:
    here, _ = await two_nodes(pools, cipher)
    other = Fernet(Fernet.generate_key())
    await Accounts(pools).put("AC" + "2" * 32, other.encrypt(b"token"))
    await ApiKeys(pools).insert(new_sid("SK"), ACCOUNT, other.encrypt(b"secret"), "", 10)
    await here.refresh()
    assert here.token_of("AC" + "2" * 32) is None
    assert here.token_of(ACCOUNT) == "token"


async def test_guessing_shares_few_reads(pools: Database, cipher: Fernet) -> None:
    rows = CountedRows(pools)
    ring = Keyring(cipher, rows, ApiKeys(pools))
    check = Authenticator(ring, wall_clock_ms)
    headers = [basic(new_sid("SK"), "guess") for _ in range(200)]
    began_s = time.monotonic()
    refused = await asyncio.gather(*(check.identify(h) for h in headers), return_exceptions=True)
    assert all(isinstance(error, ApiError) and error.status == 401 for error in refused)
    assert rows.reads <= 2 + (time.monotonic() - began_s) / LOOK_UP_PAUSE_S


async def test_without_a_database_what_is_known_goes_on(pools: Database, cipher: Fernet) -> None:
    rows = CountedRows(pools)
    await Accounts(pools).put(ACCOUNT, cipher.encrypt(b"token"))
    ring = Keyring(cipher, rows, ApiKeys(pools))
    await ring.refresh()
    rows.failures = math.inf
    check = Authenticator(ring, wall_clock_ms)
    await check.identify(basic(ACCOUNT, "token"))
    with pytest.raises(ApiError) as caught:
        await check.identify(basic(new_sid("SK"), "x"))
    assert (caught.value.status, rows.reads) == (401, 2)


class CountedRows:
    """The accounts table, which counts how often it is read and does not answer the next `failures` times."""

    def __init__(self, pools: Database, *, failures: float = 0) -> None:
        self.reads = 0
        self.read_thrice = asyncio.Event()
        self.failures = failures
        self._accounts = Accounts(pools)

    async def rows(self) -> list[AccountRow]:
        self.reads += 1
        if self.reads == 3:
            self.read_thrice.set()
        if self.failures > 0:
            self.failures -= 1
            raise StoreUnavailable("gone")
        return await self._accounts.rows()
