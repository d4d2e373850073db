"""One call of the SDK: what it asks for, by whom, and what its handler reaches."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from engine.api.call import Api
from engine.api.forms import Form
from engine.api.problems import not_found
from engine.bridge.delays import WorkerKey
from engine.bridge.hub import Hub
from engine.bridge.payloads import Scope
from engine.bridge.tokens import Session
from engine.routing.commands import Command
from engine.routing.errors import NotFound
from engine.storage.bridge_reads import BridgeReads
from engine.storage.reads import Reads

V = TypeVar("V")


@dataclass(slots=True, frozen=True)
class Bridge:
    """What every call reaches: the API's parts, the sockets, and the reads that only the bridge needs."""

    api: Api
    hub: Hub
    reads: BridgeReads


@dataclass(slots=True, frozen=True)
class SdkCall:
    """A call that was let in.

    `path` is what it names, with a leading slash, `names` its SIDs by placeholder, `form` its parameters.
    `if_match` is the version that the client believes in, None without one.
    """

    bridge: Bridge
    session: Session
    path: str
    names: Mapping[str, str]
    form: Form
    if_match: int | None

    @property
    def api(self) -> Api:
        """The parts of the API."""
        return self.bridge.api

    @property
    def reads(self) -> Reads:
        """The committed rows, as the REST API reads them."""
        return self.bridge.api.reads

    @property
    def account_sid(self) -> str:
        """The account acted for."""
        return self.session.account_sid

    @property
    def workspace_sid(self) -> str:
        """The workspace that the path names."""
        return self.names["WS"]

    @property
    def caller(self) -> WorkerKey:
        """The worker whose token it is."""
        return self.session.workspace_sid, self.session.worker_sid

    @property
    def scope(self) -> Scope:
        """What payloads are rendered with."""
        return Scope(self.account_sid, self.workspace_sid, self.api.clock())

    def found(self, view: V | None) -> V:
        """Return `view`. Raises 404 when there is none."""
        if view is None:
            raise not_found(self.path)
        return view

    async def submit(self, command: Command, expected: type[V]) -> V:
        """Hand a command to the workspace and return its view, once it is durable.

        Raises 404 when it addresses what is not there; other refusals as the service does.
        """
        try:
            view = await self.api.service.submit(self.account_sid, self.workspace_sid, command)
        except NotFound as missing:
            if missing.sid in self.names.values():
                raise not_found(self.path) from None
            raise
        assert isinstance(view, expected)
        return view
