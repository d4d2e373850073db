"""Answers kept by idempotency key: with their batch or not at all, for a day."""

import pytest

from engine.errors import Fenced, KeyTaken
from engine.routing.effects import Changes, KeptAnswer
from engine.storage.pool import Database
from engine.storage.retention import Retention
from engine.storage.store import PostgresStore
from tests.storage.builders import NOW_MS, OWNER, changes, made, task

DAY_MS = 86_400_000
ACCOUNT = "AC" + "1" * 32


def kept(scope_sid: str, part: int = 0, at_ms: int = NOW_MS, answer: bytes = b"{}") -> KeptAnswer:
    return KeptAnswer(scope_sid, "/path", "key", part, b"print", answer, at_ms)


async def test_an_answer_is_written_with_its_batch_and_found_while_it_is_kept(store: PostgresStore) -> None:
    lease = await made(store)
    sid = lease.workspace_sid
    parts = [kept(sid, 7), kept(sid, 0, answer=b"\x00[]")]
    await store.commit(lease, Changes(kept_answers=parts))
    assert await store.kept_answers(sid, "/path", "key", NOW_MS - 1) == [parts[1], parts[0]]
    assert await store.kept_answers(sid, "/path", "key", NOW_MS) == []
    assert await store.kept_answers(sid, "/other", "key", 0) == []
    assert await store.kept_answers(ACCOUNT, "/path", "key", 0) == []


async def test_a_fenced_batch_keeps_no_answer(store: PostgresStore) -> None:
    lease = await made(store)
    await store.acquire(lease.workspace_sid, OWNER, 60.0)
    with pytest.raises(Fenced):
        await store.commit(lease, Changes(kept_answers=[kept(lease.workspace_sid)]))
    assert await store.kept_answers(lease.workspace_sid, "/path", "key", 0) == []


async def test_what_a_taken_key_came_with_is_not_written(store: PostgresStore) -> None:
    lease = await made(store)
    sid = lease.workspace_sid
    await store.commit(lease, Changes(kept_answers=[kept(sid)]))
    batch = changes(task())
    batch.kept_answers.append(kept(sid, at_ms=NOW_MS + 1))
    with pytest.raises(KeyTaken):
        await store.commit(lease, batch)
    loaded = await store.load(sid)
    assert loaded is not None
    assert loaded.tasks == []
    late = kept(sid, at_ms=NOW_MS + DAY_MS, answer=b"late")
    await store.commit(lease, Changes(kept_answers=[late]))
    assert await store.kept_answers(sid, "/path", "key", 0) == [late]


async def test_answers_go_after_their_time(store: PostgresStore, pools: Database) -> None:
    lease = await made(store)
    sid = lease.workspace_sid
    old = [kept(sid, part, NOW_MS - DAY_MS) for part in range(5)]
    fresh = kept(sid, 5, NOW_MS - DAY_MS + 1)
    await store.commit(lease, Changes(kept_answers=[*old, fresh]))
    await Retention(pools, batch_rows=2).purge_idempotency_keys(NOW_MS, DAY_MS)
    assert await store.kept_answers(sid, "/path", "key", 0) == [fresh]
