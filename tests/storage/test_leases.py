"""One owner at a time; each acquisition is a new epoch; expiry is by the database's clock."""

from collections.abc import Coroutine

import pytest

from engine.errors import StoreUnavailable
from engine.ownership import Lease
from engine.routing.effects import Changes
from engine.storage.commit import commit_batch
from engine.storage.pool import Database
from engine.storage.store import PostgresStore
from tests.storage.builders import changes, workspace

LONG_S = 3600.0
EXPIRED_S = -1.0


async def made(store: PostgresStore, ttl_s: float = LONG_S) -> Lease:
    return await store.create_workspace("one", ttl_s, changes(workspace()))


async def test_a_held_lease_is_not_given_to_another(store: PostgresStore) -> None:
    lease = await made(store)
    assert await store.acquire(lease.workspace_sid, "two", LONG_S) is None


async def test_an_expired_lease_goes_to_another_under_a_new_epoch(store: PostgresStore) -> None:
    lease = await made(store, EXPIRED_S)
    assert await store.acquire(lease.workspace_sid, "two", LONG_S) == Lease(lease.workspace_sid, "two", 2)
    assert await store.acquire(lease.workspace_sid, "one", LONG_S) is None


async def test_an_owner_that_freezes_amid_a_commit_does_not_keep_its_lease(
    database: str, store: PostgresStore
) -> None:
    lease = await made(store, EXPIRED_S)
    async with await Database.open(database, statement_timeout_s=0.2) as frozen:
        with pytest.raises(StoreUnavailable):
            await freeze_amid_a_commit(frozen, lease, store.acquire(lease.workspace_sid, "two", LONG_S))
    assert await store.acquire(lease.workspace_sid, "one", LONG_S) is None


async def freeze_amid_a_commit(
    frozen: Database, lease: Lease, takeover: Coroutine[None, None, Lease | None]
) -> None:
    async with frozen.committing() as connection, connection.transaction():
        await commit_batch(connection, lease, Changes(), 0)
        assert await takeover == Lease(lease.workspace_sid, "two", 2)
        await commit_batch(connection, lease, Changes(), 0)


async def test_the_same_owner_gets_its_lease_again_under_a_new_epoch(store: PostgresStore) -> None:
    lease = await made(store)
    again = await store.acquire(lease.workspace_sid, "one", LONG_S)
    assert again == Lease(lease.workspace_sid, "one", 2)
    assert await store.renew([lease], LONG_S) == set()


async def test_renewing_prolongs_only_what_is_still_ours(store: PostgresStore) -> None:
    kept, lost = await made(store, EXPIRED_S), await made(store, EXPIRED_S)
    await store.acquire(lost.workspace_sid, "two", LONG_S)
    assert await store.renew([kept, lost], LONG_S) == {kept.workspace_sid}
    assert await store.acquire(kept.workspace_sid, "two", LONG_S) is None


async def test_renewing_nothing_is_no_error(store: PostgresStore) -> None:
    assert await store.renew([], LONG_S) == set()


async def test_a_released_lease_is_free_and_its_epoch_goes_on(store: PostgresStore) -> None:
    lease = await made(store)
    await store.release(lease)
    assert await store.acquire(lease.workspace_sid, "two", LONG_S) == Lease(lease.workspace_sid, "two", 2)


async def test_a_lost_lease_cannot_be_released(store: PostgresStore) -> None:
    lease = await made(store, EXPIRED_S)
    taken = await store.acquire(lease.workspace_sid, "two", LONG_S)
    await store.release(lease)
    assert taken is not None
    assert await store.acquire(lease.workspace_sid, "three", LONG_S) is None


async def test_an_unknown_workspace_has_no_lease(store: PostgresStore) -> None:
    assert await store.acquire("WS" + "0" * 32, "one", LONG_S) is None
