"""The composition root: builds the parts in order, runs them until a signal, stops them in reverse.

Start: the embedded PostgreSQL (without a DSN), migrations, credentials, connections, callbacks, the place
among the nodes, the workspace loops, and the HTTP listener last, so that a request finds everything behind
it. Stop: other nodes are given the workspaces while requests are still answered, the listener closes and open
requests are answered, callbacks under way are finished and their outcomes committed, then the loops finish
what waits and give up their leases, then the connections close, and the database stops last.

The first SIGTERM or SIGINT begins the stop, which ends with exit code 0; a second one ends the process at
once with 128 plus its number. Everything acknowledged is durable at any moment, so neither loses anything.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

import click
from aiohttp import web
from pydantic import BaseModel

from engine import __version__
from engine.addresses import Address, parse_address
from engine.alert_writer import AlertWriter
from engine.allocator import keep_freed_memory
from engine.api.app import API, build_app, express_of
from engine.api.limits import ApiLimits
from engine.api.middleware import GATE, Gate
from engine.api.protocol import Site
from engine.api.rate_limit import RateLimits
from engine.api.stream import render
from engine.bridge.app import add_bridge
from engine.bridge.hub import Hub
from engine.bridge.limits import BridgeLimits
from engine.bridge.presence import Presence
from engine.callbacks.dispatcher import CallbackDispatcher
from engine.callbacks.event_callbacks import EventCallbacks
from engine.callbacks.limits import CallbackLimits, VoiceGatewayLimits
from engine.callbacks.voice_gateway import VoiceGateway
from engine.clock import wall_clock_ms
from engine.cluster.limits import ClusterLimits
from engine.cluster.node import ClusterNode
from engine.cluster_start import Cluster, build_cluster
from engine.credentials import CREDENTIALS_FILE, Credentials, cipher_of, ensure_credentials, key_of
from engine.database_start import embedded, migrate_patiently, open_pools
from engine.desk.app import add_desk
from engine.desk.sign_in import DeskLimits, SignIn
from engine.errors import NotServing, WorkspaceNotFound
from engine.garbage import collect_seldom
from engine.housekeeping import Housekeeping
from engine.keyring import Keyring
from engine.logs import get_logger
from engine.process_link import ParentLink
from engine.routing.commands import Command
from engine.routing.limits import RoutingLimits
from engine.runtime.limits import RuntimeLimits
from engine.runtime.node_name import NodeName
from engine.runtime.ports import Publisher
from engine.runtime.publishers import Publishers
from engine.runtime.service import RoutingService
from engine.settings import Settings
from engine.sids import time_ordered_sids
from engine.storage.accounts import Accounts
from engine.storage.alerts import Alerts
from engine.storage.bridge_reads import BridgeReads
from engine.storage.cluster import ClusterRows
from engine.storage.deliveries import DeliveryOutbox
from engine.storage.desk import DeskRows
from engine.storage.event_log import EventLog
from engine.storage.keys import ApiKeys
from engine.storage.migrate import read_migrations
from engine.storage.pool import Database
from engine.storage.presence import NodePresence
from engine.storage.reads import Reads
from engine.storage.redaction import Redaction
from engine.storage.redelivery import Redelivery
from engine.storage.resources import sql_directory
from engine.storage.retention import Retention
from engine.storage.statistics_summing import StatisticsSumming
from engine.storage.store import PostgresStore
from engine.stream.hub import StreamHub
from engine.stream.limits import StreamLimits

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

if sys.platform != "win32":
    import uvloop

log = get_logger()

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
LISTEN_BACKLOG = 1_024

L = TypeVar("L", bound="DataclassInstance")


class Daemon:
    """All parts of one node, in one event loop.

    Args:
        settings: the whole tree.
        parent: who started this process beside others; None when there is one process.
    """

    def __init__(self, settings: Settings, parent: ParentLink | None = None) -> None:
        self.settings = settings
        self._parent = parent
        self.credentials: Credentials | None = None
        self.port = 0
        """The port it listens on; known once started."""
        self.internal_address = ""
        """Where other nodes reach it; known once started, empty when they do not."""
        self._mint = time_ordered_sids()
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Build and start everything; what was started is stopped again when something fails.

        Raises PointsmanError (a bad setting, no database) or OSError (the port is taken).
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Stop everything in reverse, draining what is under way."""
        await self._stack.aclose()

    async def _start(self) -> None:
        began_s = time.perf_counter()
        settings = self.settings
        dsn = await self._database_address()
        await migrate_patiently(dsn, settings.database.start_timeout_s)
        database = await self._stack.enter_async_context(await open_pools(dsn, settings.database))
        accounts = Accounts(database)
        self.credentials = await ensure_credentials(settings, accounts)
        keyring = await self._start_keyring(database, accounts)
        voice = await self._start_voice_gateway(keyring)
        node = self._stack.enter_context(NodeName(settings.database.data_dir, self._number()))
        cluster = self._make_cluster(database, node.name)
        hub = Hub(_picked(BridgeLimits, settings.bridge), keyring, wall_clock_ms)
        alerts = AlertWriter(Alerts(database), self._mint, wall_clock_ms)
        self._stack.push_async_callback(alerts.stop)
        events = await self._start_event_callbacks(database, keyring, alerts)
        streams = self._start_streams(database)
        publishers = (alerts, events, hub, streams, *((cluster.forwarder,) if cluster.forwarder else ()))
        service = await self._start_routing(database, keyring, voice, publishers, cluster.member)
        self._start_housekeeping(database)
        reads = Reads(
            database,
            finished_task_retention_s=settings.routing.finished_task_retention_s,
            task_attributes_s=settings.retention.task_attributes_days * 86_400.0,
        )
        app = self._build_app(
            service=service,
            reads=reads,
            keyring=keyring,
            voice=voice,
            redelivery=Redelivery(database, events.wake),
            streams=streams,
            cluster=cluster,
        )
        await self._start_bridge(app, hub, database, node.name)
        self._add_desk(app, keyring, database)
        if cluster.forwarder is not None:
            cluster.forwarder.serves = service.serves
            cluster.forwarder.start()
            self._stack.push_async_callback(cluster.forwarder.stop)
        await self._listen(app)
        await cluster.member.serve(self.internal_address)
        self._stack.push_async_callback(self._drain, app[GATE], cluster.member)
        log.info(
            "server.listening",
            host=settings.server.host,
            port=self.port,
            version=__version__,
            start_ms=round((time.perf_counter() - began_s) * 1000),
        )

    async def _database_address(self) -> str:
        """The DSN of the settings, or of the embedded server, started now."""
        settings = self.settings.database
        if settings.url:
            return settings.url
        server = embedded(self.settings)
        self._stack.push_async_callback(server.stop)
        return await server.start()

    def _number(self) -> int:
        """Which of the processes of this host it is."""
        return 0 if self._parent is None else self._parent.place.number

    def _make_cluster(self, database: Database, name: str) -> Cluster:
        limits = _picked(ClusterLimits, self.settings.cluster)
        place = None if self._parent is None else self._parent.place
        return build_cluster(
            self.settings, limits, ClusterRows(database), name, key_of(self.settings), place=place
        )

    async def _start_keyring(self, database: Database, accounts: Accounts) -> Keyring:
        settings = self.settings.credentials
        keyring = Keyring(
            cipher_of(self.settings), accounts, ApiKeys(database), keys_max=settings.api_keys_max
        )
        await keyring.refresh()
        keyring.start(settings.refresh_interval_s)
        self._stack.push_async_callback(keyring.stop)
        return keyring

    async def _start_voice_gateway(self, keyring: Keyring) -> VoiceGateway | None:
        settings = self.settings.voice_gateway
        if not settings.url:
            return None
        gateway = VoiceGateway(_picked(VoiceGatewayLimits, settings), keyring.token_of)
        await gateway.start()
        self._stack.push_async_callback(gateway.stop)
        return gateway

    async def _start_event_callbacks(
        self, database: Database, keyring: Keyring, alerts: AlertWriter
    ) -> EventCallbacks:
        limits = _picked(CallbackLimits, self.settings.callbacks)
        outbox = DeliveryOutbox(database)
        events = EventCallbacks(outbox, limits, keyring.token_of, wall_clock_ms, report=alerts.report)
        await events.start()
        self._stack.push_async_callback(events.stop, self.settings.server.shutdown_drain_s)
        return events

    def _start_streams(self, database: Database) -> StreamHub:
        kept = self.settings.retention
        attributes_s = kept.task_attributes_days * 86_400.0
        streams = StreamHub(
            EventLog(database, task_attributes_s=attributes_s),
            render,
            _picked(StreamLimits, self.settings.stream),
            fresh_s=min(attributes_s, kept.events_days * 86_400.0),
            clock=wall_clock_ms,
        )
        streams.start()
        self._stack.push_async_callback(streams.stop)
        return streams

    async def _start_routing(
        self,
        database: Database,
        keyring: Keyring,
        voice: VoiceGateway | None,
        publishers: tuple[AlertWriter, *tuple[Publisher, ...]],
        member: ClusterNode,
    ) -> RoutingService:
        settings = self.settings
        store = PostgresStore(database)

        async def submit(workspace_sid: str, command: Command) -> Any:
            try:
                return await service.submit_internal(workspace_sid, command)
            except NotServing as error:
                if not member.view.owner_lives(workspace_sid):
                    raise
                # Its new owner has asked again: this answer is not waited for any more.
                raise WorkspaceNotFound(str(error)) from error

        limits = _picked(CallbackLimits, settings.callbacks)
        report = publishers[0].report
        dispatcher = CallbackDispatcher(limits, keyring.token_of, submit, voice=voice, report=report)
        service = RoutingService(
            store,
            store,
            Publishers(dispatcher, *publishers),
            owner=member.name,
            limits=_picked(RuntimeLimits, settings.runtime, settings.routing, settings.server),
            routing_limits=_picked(RoutingLimits, settings.routing),
            new_sid=self._mint,
            clock=wall_clock_ms,
            claims=member.view,
        )
        self._stack.push_async_callback(member.leave)
        await member.join(service)
        self._stack.push_async_callback(service.stop)
        await dispatcher.start()
        self._stack.push_async_callback(dispatcher.stop, settings.server.shutdown_drain_s)
        await service.start()
        return service

    def _start_housekeeping(self, database: Database) -> None:
        settings = self.settings
        retention = Retention(database, batch_rows=settings.retention.batch_rows_max)
        redaction = Redaction(database)
        summing = StatisticsSumming(database)
        housekeeping = Housekeeping(retention, redaction, summing, settings, wall_clock_ms)
        housekeeping.start()
        self._stack.push_async_callback(housekeeping.stop)

    def _build_app(
        self,
        *,
        service: RoutingService,
        reads: Reads,
        keyring: Keyring,
        voice: VoiceGateway | None,
        redelivery: Redelivery,
        streams: StreamHub,
        cluster: Cluster,
    ) -> web.Application:
        server = self.settings.server
        return build_app(
            service=service,
            reads=reads,
            keyring=keyring,
            redelivery=redelivery,
            limits=_picked(ApiLimits, server, self.settings.routing),
            rate_limits=_picked(RateLimits, server),
            public_url=server.public_url,
            trust_forwarded=server.trust_forwarded,
            voice=voice,
            streams=streams,
            forwarder=cluster.forwarder,
            proofs=cluster.proofs,
            metrics_text=cluster.metrics_text,
            mint=self._mint,
            clock=wall_clock_ms,
        )

    async def _start_bridge(self, app: web.Application, hub: Hub, database: Database, node: str) -> None:
        api = app[API]
        presence = Presence(api.service, api.reads, hub, NodePresence(database, node))
        add_bridge(app, api, hub, presence, BridgeReads(database))
        hub.start()
        self._stack.push_async_callback(hub.stop)
        await presence.start()
        self._stack.push_async_callback(presence.stop)

    def _add_desk(self, app: web.Application, keyring: Keyring, database: Database) -> None:
        limits = _picked(DeskLimits, self.settings.desk)
        add_desk(app, app[API], SignIn(DeskRows(database), keyring, limits, wall_clock_ms))

    async def _listen(self, app: web.Application) -> None:
        server = self.settings.server
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=server.shutdown_drain_s
        )
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        common: dict[str, Any] = {
            "backlog": LISTEN_BACKLOG,
            "access_log": None,
            "max_line_size": server.header_bytes_max,
            "max_field_size": server.header_bytes_max,
            # A compressed body is refused by the API; left to aiohttp, garbage would reset the connection.
            "auto_decompress": False,
        }
        if self.settings.cluster.listen:
            # Other nodes close what they do not need before this node does.
            kept_s = 2 * self.settings.cluster.forward_idle_s
            listen = parse_address(self.settings.cluster.listen)
            inner = Site(
                runner,
                listen,
                internal=True,
                express=express_of(app, server.header_bytes_max, internal=True),
                keepalive_timeout=kept_s,
                **common,
            )
            await inner.start()
            self.internal_address = self.settings.cluster.advertise or str(inner.address)
        site = Site(
            runner,
            Address(server.host, server.port),
            express=express_of(app, server.header_bytes_max),
            reuse_port=self._parent is not None,
            keepalive_timeout=server.keepalive_timeout_s,
            **common,
        )
        await site.start()
        self._stack.callback(app[GATE].close)
        self.port = site.address.port

    async def _drain(self, gate: Gate, member: ClusterNode) -> None:
        """Let other nodes have the workspaces while requests are still answered here."""
        gate.drain()
        parent = self._parent
        stopping_too = parent.place.addresses if parent and parent.all_stop else ()
        await member.drain(self.settings.server.shutdown_drain_s, without=stopping_too)


def run(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT; raises what `Daemon.start` raises."""
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(serve(settings))


def run_process(parent: ParentLink) -> None:
    """Run as one of several processes, until its parent or a signal stops it; raises as `run`."""
    with asyncio.Runner(loop_factory=event_loop_factory()) as runner:
        runner.run(serve(parent.settings, parent))


def migrate(settings: Settings) -> int:
    """Bring the schema up to date, with the embedded server running meanwhile; returns its version."""
    with asyncio.Runner() as runner:
        return runner.run(_migrate_once(settings))


async def serve(settings: Settings, parent: ParentLink | None = None) -> None:
    """Run the daemon in this event loop until SIGTERM or SIGINT; raises what `Daemon.start` raises."""
    stopping = stop_on_signal()
    daemon = Daemon(settings, parent)
    if parent is not None:
        asyncio.get_running_loop().add_reader(parent.fileno(), parent.read, stopping.set)
    start = asyncio.create_task(daemon.start(), name="start")
    stop = asyncio.create_task(stopping.wait(), name="stop")
    try:
        await asyncio.wait([start, stop], return_when=asyncio.FIRST_COMPLETED)
        if not start.done():
            start.cancel()
            await asyncio.wait([start])
        if start.cancelled():
            return
        await start
        if daemon.credentials is not None:
            show_credentials(daemon.credentials, settings)
        if parent is not None:
            parent.listening()
        collect_seldom()
        keep_freed_memory()
        await stop
    finally:
        stop.cancel()
    began_s = time.perf_counter()
    log.info("server.stopping")
    await daemon.stop()
    log.info("server.stopped", duration_ms=round((time.perf_counter() - began_s) * 1000))


def stop_on_signal() -> asyncio.Event:
    """Return an event that the first signal sets; the second ends the process."""
    stopping = asyncio.Event()

    def received(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(128 + number)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        if sys.platform == "win32":
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stopping.set))
        else:
            loop.add_signal_handler(number, received, number)
    return stopping


def event_loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop; None takes the usual one."""
    if sys.platform == "win32":
        return None
    return uvloop.new_event_loop


async def _migrate_once(settings: Settings) -> int:
    async with AsyncExitStack() as stack:
        dsn = settings.database.url
        if not dsn:
            server = embedded(settings)
            stack.push_async_callback(server.stop)
            dsn = await server.start()
        await migrate_patiently(dsn, settings.database.start_timeout_s)
    return len(read_migrations(sql_directory() / "migrations"))


def show_credentials(made: Credentials, settings: Settings) -> None:
    """Tell the credentials if they were made on this start, this once and not in the log."""
    if not made.created:
        return
    click.echo(f"Account SID: {made.account_sid}")
    click.echo(f"Auth token:  {made.auth_token}")
    click.echo(f"They are kept in {settings.database.data_dir / CREDENTIALS_FILE}.")


def _picked(kind: type[L], *sections: BaseModel) -> L:
    """Build a dataclass of limits from the settings that have the names of its fields."""
    names = {field.name for field in fields(kind)}
    return kind(**{name: value for section in sections for name, value in section if name in names})
