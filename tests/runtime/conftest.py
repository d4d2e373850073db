"""Fixtures: the real store on a fresh database, and services over it."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from engine.runtime.limits import RuntimeLimits
from engine.runtime.service import RoutingService
from engine.storage.pool import Database
from tests.runtime.support import MovedClock, Node, Recorder, UnreliableStore

FAST = {
    "lease_ttl_s": 3.0,
    "lease_renew_s": 0.5,
    "lease_margin_s": 0.5,
    "commit_timeout_s": 1.5,
    "reload_backoff_min_s": 0.01,
    "reload_backoff_max_s": 0.1,
}

MakeNode = Callable[..., Any]


@pytest.fixture
async def make_node(pools: Database) -> AsyncIterator[MakeNode]:
    """A function that starts a node of its own name, store and clock; `limits` override the fast ones."""
    nodes: list[Node] = []

    async def make(owner: str = "", *, ahead_ms: int = 0, **limits: Any) -> Node:
        store, recorder, clock = UnreliableStore(pools), Recorder(), MovedClock(ahead_ms)
        service = RoutingService(
            store,
            store,
            recorder,
            owner=owner or f"node-{len(nodes)}",
            limits=RuntimeLimits(**{**FAST, **limits}),
            clock=clock,
        )
        node = Node(service, store, recorder, clock)
        nodes.append(node)
        await service.start()
        return node

    yield make
    for node in nodes:
        node.store.recover()
        await node.service.stop()


@pytest.fixture
async def node(make_node: MakeNode) -> Node:
    return await make_node()
