"""Every setting of the system: one frozen tree, each limit with its unit in its name.

A value comes from the first of these that gives one: a flag of the command line, an environment variable, the
TOML file, the default below. Anything unknown or impossible raises SettingsError with one line that names
where it stands, what it says and what would be allowed.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic import ValidationError as PydanticError

from engine.addresses import parse_address
from engine.callback_urls import check_callback_url
from engine.errors import SettingsError
from engine.settings_sources import (
    Given,
    Overrides,
    default_data_dir,
    explain,
    from_environment,
    from_file,
    from_flags,
    place_data_dir,
)

CONFIG_VARIABLE = "POINTSMAN_CONFIG"
"""Names the TOML file when no flag does."""


def _not_a_truth_value(value: Any) -> Any:
    """Keep `port = true` from being read as 1."""
    if value is True or value is False:
        raise ValueError("a number is needed, not true or false")
    return value


def _base_url(text: str) -> str:
    parts = urlsplit(text)
    if text and (
        parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment
    ):
        raise ValueError('an absolute URL is needed, such as "https://router.example.org"')
    return text.rstrip("/")


def _gateway_url(text: str) -> str:
    reason = check_callback_url(text)
    if reason is not None:
        raise ValueError(reason)
    return text


def _dsn(text: str) -> str:
    if text and urlsplit(text).scheme not in {"postgresql", "postgres"}:
        raise ValueError('a DSN such as "postgresql://user:password@host:5432/name" is needed')
    return text


def _account_sid(text: str) -> str:
    if text and not re.fullmatch(r"AC[0-9a-fA-F]{32}", text):
        raise ValueError('"AC" followed by 32 hexadecimal digits is needed')
    return text


def _token(text: str) -> str:
    if text and not re.fullmatch(r"[\x21-\x7e]{1,256}", text):
        raise ValueError("1 to 256 visible ASCII characters are needed")
    return text


def _address(text: str) -> str:
    return str(parse_address(text)) if text else text


def _secret(text: str) -> str:
    if text and not re.fullmatch(r"[\x21-\x7e]{16,256}", text):
        raise ValueError("16 to 256 visible ASCII characters are needed")
    return text


Int = Annotated[int, BeforeValidator(_not_a_truth_value)]
Float = Annotated[float, BeforeValidator(_not_a_truth_value)]
Count = Annotated[Int, Field(ge=1)]
Seconds = Annotated[Float, Field(gt=0)]
Rate = Annotated[Float, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class ServerSettings(_Section):
    """The HTTP side."""

    host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Address to listen on; "0.0.0.0" for every interface."""
    port: Annotated[Int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes any free one."""
    public_url: Annotated[str, AfterValidator(_base_url)] = ""
    """Base of the URLs in answers; empty takes scheme and host of each request."""
    trust_forwarded: bool = True
    """Take scheme and host from X-Forwarded-Proto and X-Forwarded-Host; they only shape URLs in answers."""
    request_bytes_max: Count = 4_194_304
    """Largest request body; a workflow of the largest size fits even when percent-encoded."""
    bulk_bytes_max: Count = 50_331_648
    """Largest body of a request that creates many tasks: 10,000 with the longest attributes fit."""
    request_fields_max: Count = 1_000
    """Most form fields in one request."""
    header_bytes_max: Count = 16_384
    """Longest request line and longest header."""
    keepalive_timeout_s: Seconds = 75.0
    """How long an idle client connection is kept open."""
    shutdown_drain_s: Seconds = 10.0
    """How long a stop waits for open requests and callbacks."""
    rate_limit_requests_per_s: Rate = 0.0
    """Requests per second of one API key or auth token; beyond it 429. 0 is no limit."""
    rate_limit_burst_requests: Annotated[Int, Field(ge=0)] = 0
    """Requests of one key that may come at once; 0 is one second's worth."""
    rate_limit_filtered_lists_per_s: Rate = 0.0
    """Lists per second and account filtered by an expression, for each kind of them. 0 is no limit."""
    rate_limit_bulk_statistics_per_s: Rate = 0.0
    """Bulk statistics per second and account. 0 is no limit."""


class DatabaseSettings(_Section):
    """PostgreSQL: an external one by its DSN, else an embedded one in the data directory."""

    url: Annotated[str, AfterValidator(_dsn), Field(repr=False)] = ""
    """DSN of an external PostgreSQL 15 or newer; empty runs the embedded one."""
    data_dir: Path = Field(default_factory=lambda: default_data_dir(os.environ))
    """Where the embedded database, the credentials and the key live."""
    bin_dir: str = ""
    """Directory of the PostgreSQL programs for the embedded server; empty finds them."""
    run_as: str = ""
    """Account of the embedded server when started by root; empty takes "postgres" or "nobody"."""
    commit_connections_max: Count = 4
    """Connections that write batches; one workspace uses one at a time."""
    read_connections_max: Count = 8
    """Connections that answer reads."""
    connect_timeout_s: Seconds = 2.0
    """How long one attempt to connect may take."""
    acquire_timeout_s: Seconds = 5.0
    """How long a call waits for a free connection."""
    statement_timeout_s: Seconds = 10.0
    """How long one statement may run before the server cancels it."""
    start_timeout_s: Seconds = 60.0
    """How long a start keeps trying to reach the database, or to bring up the embedded one."""


class CredentialsSettings(_Section):
    """The account that clients sign in with, and the key that protects its token at rest."""

    account_sid: Annotated[str, AfterValidator(_account_sid)] = ""
    """Account SID; empty makes one on first start."""
    auth_token: Annotated[str, AfterValidator(_token), Field(repr=False)] = ""
    """Auth token; empty makes one on first start."""
    key_file: str = ""
    """File with the key that encrypts tokens in the database; empty takes "key" in the data directory."""
    key: Annotated[str, Field(repr=False)] = ""
    """The key itself (44 characters, URL-safe base64 of 32 bytes), instead of a file."""
    api_keys_max: Count = 1_000
    """Most API keys of one account."""
    refresh_interval_s: Seconds = 2.0
    """How often accounts and API keys are read again: so long a key revoked elsewhere may still work."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.key and self.key_file:
            raise ValueError("credentials.key and credentials.key_file exclude each other")
        return self


class RoutingSettings(_Section):
    """Limits of the routing core."""

    finished_task_retention_s: Count = 300
    """How long a completed or canceled task can still be fetched."""
    assignment_count_max: Count = 1_000
    """How often a task may be offered before it is canceled."""
    assigned_s_max: Count = 86_400
    """How long a task may stay assigned before the system removes it."""
    refusal_backoff_base_ms: Annotated[Int, Field(ge=0)] = 1_000
    """How long a task is kept from a worker who let it go; doubles each time."""
    refusal_backoff_max_ms: Annotated[Int, Field(ge=0)] = 60_000
    """Longest such back-off."""
    activities_max: Count = 100
    """Most activities in a workspace."""
    idle_classes_max: Count = 4_096
    """Eligibility classes without waiting tasks that are kept for the next task of their kind."""
    bindings_per_target_max: Count = 16_384
    """Bound target expressions remembered per workflow target."""
    ready_scan_max: Count = 64
    """Up to so many ready workers are compared directly; beyond, the idle line is walked."""
    attributes_chars_max: Count = 4_096
    """Longest attributes of a task or a worker, white space counted."""
    workflow_configuration_bytes_max: Count = 1_038_576
    """Largest workflow configuration."""

    @model_validator(mode="after")
    def _backoff_grows(self) -> Self:
        if self.refusal_backoff_base_ms > self.refusal_backoff_max_ms:
            raise ValueError("routing.refusal_backoff_base_ms must not exceed routing.refusal_backoff_max_ms")
        return self


class RuntimeSettings(_Section):
    """The workspace loops."""

    inbox_commands_max: Count = 10_000
    """Most commands waiting per workspace; beyond it a request is answered 503 at once."""
    batch_commands_max: Count = 1_000
    """Most commands in one transaction."""
    match_decisions_max: Count = 1_000
    """Most reservations made in one batch."""
    deadlines_max: Count = 1_000
    """Most deadlines fired in one batch."""
    lease_ttl_s: Seconds = 15.0
    """How long a workspace stays owned without renewal."""
    lease_renew_s: Seconds = 5.0
    """How often leases are renewed."""
    lease_margin_s: Seconds = 3.0
    """How long before expiry the owner stops writing."""
    commit_slow_ms: Count = 250
    """A commit slower than this is logged."""
    commit_timeout_s: Seconds = 5.0
    """After this a commit counts as failed with an unknown outcome, and the workspace is loaded again."""
    reload_backoff_min_s: Seconds = 0.05
    """First pause before a workspace is loaded again; doubles with every failure."""
    reload_backoff_max_s: Seconds = 2.0
    """Longest pause before a workspace is loaded again."""
    load_concurrency_max: Count = 4
    """How many workspaces are loaded at the same time."""
    request_timeout_s: Seconds = 30.0
    """How long a request waits for its batch to be durable; then it is answered 503, outcome unknown."""
    discovery_interval_s: Seconds = 15.0
    """Pause between two looks for workspaces made by another node."""

    @model_validator(mode="after")
    def _distrusts_itself_in_time(self) -> Self:
        if self.lease_renew_s + self.commit_timeout_s >= self.lease_ttl_s - self.lease_margin_s:
            raise ValueError(
                "runtime.lease_renew_s + runtime.commit_timeout_s must be less than "
                "runtime.lease_ttl_s - runtime.lease_margin_s, so that no write outlives its lease"
            )
        if self.reload_backoff_min_s > self.reload_backoff_max_s:
            raise ValueError("runtime.reload_backoff_min_s must not exceed runtime.reload_backoff_max_s")
        return self


class CallbackSettings(_Section):
    """Assignment and event callbacks."""

    allow_private: bool = True
    """Whether callbacks may go to private and loopback addresses."""
    assignment_timeout_s: Seconds = 5.0
    """How long an assignment callback may take before the fallback URL is tried."""
    event_timeout_s: Seconds = 15.0
    """How long an event callback may take."""
    concurrent_max: Count = 500
    """Most assignment callbacks under way."""
    concurrent_per_host_max: Count = 200
    """Most assignment callbacks under way to one host and port."""
    event_concurrent_max: Count = 200
    """Most event callbacks under way."""
    event_concurrent_per_host_max: Count = 50
    """Most event callbacks under way to one host and port."""
    response_bytes_max: Count = 65_536
    """Largest answer that is read."""
    assignment_pending_max: Count = 100_000
    """Most waiting assignment callbacks held as they are; those beyond it are held compressed."""
    event_pending_max: Count = 10_000
    """Most event callbacks held in memory, waiting or under way; the others wait in the database."""
    event_pending_per_workspace_max: Count = 2_000
    """The same for one workspace."""
    event_retry_first_s: Seconds = 1.0
    """Longest first pause after a failed event callback; the pauses double."""
    event_retry_max_s: Seconds = 300.0
    """Longest pause between two attempts of an event callback."""
    event_retry_age_s: Seconds = 86_400.0
    """How old an event may be when its last attempt fails; then it is given up."""
    event_hold_s: Seconds = 3_600.0
    """How old an event may be, refused by a receiver that is there, before later ones overtake it."""
    event_circuit_failures: Count = 5
    """How many event callbacks fail in a row before their receiver is taken to be down."""
    event_circuit_window: Count = 10
    """How many event callbacks are held in memory for a receiver that is down."""
    event_circuit_pause_max_s: Seconds = 30.0
    """Longest pause between two tries whether a receiver is there again."""
    event_poll_interval_s: Seconds = 5.0
    """How often the database is asked for event callbacks to be made again."""
    outcomes_pending_max: Count = 10_000
    """Most answers waiting to be taken in by their workspace; beyond it no callback is started."""
    outcome_retry_s: Seconds = 600.0
    """How long an answer is offered to a workspace that cannot take it."""
    backoff_first_s: Seconds = 0.05
    """Longest first pause between two offers of an answer."""
    backoff_max_s: Seconds = 5.0
    """Longest pause between two offers of an answer."""
    keepalive_s: Seconds = 4.0
    """How long an idle connection is kept; less than the 5 s after which common receivers close theirs."""
    resolver_threads: Count = 16
    """Most host names looked up at a time."""


class VoiceGatewaySettings(_Section):
    """Who carries out the instructions call, dequeue, redirect, conference and supervise."""

    url: Annotated[str, AfterValidator(_gateway_url), Field(repr=False)] = ""
    """URL that is sent signed instructions; empty refuses them. User info becomes Basic authentication."""
    timeout_s: Seconds = 15.0
    """How long an instruction may take, and never longer than its reservation stays pending."""
    concurrent_max: Count = 200
    """Most instructions under way; more wait for their turn within their time."""
    response_bytes_max: Count = 65_536
    """Largest answer that is read."""
    allow_private: bool = True
    """Whether the gateway may have a private or loopback address."""


class BridgeSettings(_Section):
    """The event bridge: the browser SDK's websockets and calls."""

    heartbeat_s: Annotated[Seconds, Field(le=15)] = 10.0
    """Longest silence before a blank frame is sent; the SDK gives up after 30 s of it."""
    event_delay_s: Annotated[Float, Field(ge=0, le=10)] = 0.1
    """How long after its commit an event is sent, so that the answer to a call comes first."""
    own_event_delay_s: Annotated[Float, Field(ge=0, le=10)] = 0.3
    """The same for a worker who waits for the answer to a call when it is committed."""
    ping_s: Seconds = 30.0
    """How often a client is pinged; one that does not answer in half of that is gone."""
    frames_pending_max: Count = 512
    """Most frames waiting for one websocket; a slower reader is cut off."""
    send_timeout_s: Seconds = 20.0
    """How long a client may take for one frame."""
    sockets_max: Count = 20_000
    """Most websockets open at this node."""
    sockets_per_worker_max: Count = 100
    """Most websockets of one worker."""
    call_bytes_max: Count = 262_144
    """Largest body of a call."""
    calls_per_worker_max: Count = 64
    """Most calls of one worker under way."""
    token_grace_s: Annotated[Float, Field(ge=0)] = 5.0
    """How long after the expiry of its worker's newest token a websocket is closed."""
    disconnect_grace_s: Annotated[Float, Field(ge=0)] = 10.0
    """How long a worker's last websocket may be gone before the worker is moved."""
    disconnect_activity: str = ""
    """Name of the activity for workers that are gone; empty moves only those whose client asks for it."""


class StreamSettings(_Section):
    """The event stream."""

    readers_max: Count = 10_000
    """Most streams open at this node; beyond it 503."""
    readers_per_account_max: Count = 5_000
    """Most streams of one account open at this node."""
    ring_events_max: Count = 1_000
    """Most events of one workspace kept in memory for its readers; older ones are read from the database."""
    ring_bytes_max: Annotated[Int, Field(ge=1_048_576)] = 67_108_864
    """Most bytes of such events, shared by all workspaces that are followed."""
    send_buffer_bytes_max: Annotated[Int, Field(ge=4_096)] = 32_768
    """Most bytes that wait for one reader; then it is left alone until it has taken them."""
    send_timeout_s: Seconds = 20.0
    """How long a reader may take for that; then it is dropped."""
    heartbeat_s: Seconds = 15.0
    """Longest silence before a heartbeat is sent."""
    poll_interval_s: Seconds = 0.5
    """How often the log is looked at for what another node has written."""


class DeskSettings(_Section):
    """The worker desk at /desk."""

    link_s: Seconds = 600.0
    """How long a link made by `pointsman desk-link` works, unless it is used before."""
    token_s: Annotated[Seconds, Field(ge=1)] = 900.0
    """How long an access token of the desk holds; the page asks for a new one before that."""
    session_s: Annotated[Seconds, Field(ge=1)] = 43_200.0
    """How long a worker stays signed in by a link."""


class ClusterSettings(_Section):
    """Several nodes on one database."""

    processes: Annotated[Int, Field(ge=1, le=64)] = 1
    """Processes that share the port, each of them a node; one per core that is to be used."""
    listen: Annotated[str, AfterValidator(_address)] = ""
    """Where requests of other nodes are taken: "host:port" or the path of a unix socket; empty is nowhere."""
    advertise: Annotated[str, AfterValidator(_address)] = ""
    """Where other nodes reach that; empty is the address it listens on."""
    secret: Annotated[str, AfterValidator(_secret), Field(repr=False)] = ""
    """What nodes know each other by; empty derives it from the key of the credentials."""
    balance: bool = True
    """Whether workspaces move from busy nodes to others while all of them live."""
    poll_interval_s: Seconds = 0.5
    """How often a node looks which nodes there are and what they own."""
    forward_patience_s: Seconds = 3.0
    """How long a request waits for its workspace to be served by any node; then it is answered 503."""
    forward_timeout_s: Seconds = 40.0
    """How long a forwarded request waits for its answer; more than runtime.request_timeout_s."""
    forward_connect_timeout_s: Seconds = 1.0
    """How long connecting to another node may take."""
    forward_idle_s: Annotated[Seconds, Field(le=300)] = 60.0
    """How long an idle connection to another node is kept."""
    connections_per_peer_max: Count = 64
    """Most requests under way to one node."""
    forwards_waiting_max: Count = 1_000
    """Most requests that wait for their turn at one node; beyond it 503."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.listen and not self.advertise and parse_address(self.listen).everywhere:
            raise ValueError(
                f"cluster.listen {self.listen} is every interface: cluster.advertise must name the address "
                "that other nodes reach this one at"
            )
        if self.advertise and not self.listen:
            raise ValueError("cluster.advertise needs cluster.listen")
        if self.advertise and parse_address(self.advertise).everywhere:
            raise ValueError("cluster.advertise must be an address that other nodes reach this one at")
        return self


class RetentionSettings(_Section):
    """How long finished things stay in the database."""

    events_days: Count = 30
    """Days that events are kept."""
    task_attributes_days: Count = 30
    """Days after which the attributes of tasks are left out of events, should those be kept longer."""
    tasks_days: Count = 30
    """Days that finished tasks and reservations are kept for statistics."""
    interval_s: Seconds = 3_600.0
    """How often the database is cleaned."""
    batch_rows_max: Count = 5_000
    """Most rows removed by one statement."""


class StatisticsSettings(_Section):
    """Cumulative statistics."""

    interval_s: Seconds = 15.0
    """How often the minutes that are over are added up; what is not yet is read from the events."""


class LoggingSettings(_Section):
    """The log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe events that are written."""
    format: Literal["auto", "json", "console"] = "auto"
    """"json" is one object per line, "console" is for people; "auto" looks whether there is a terminal."""
    redact: bool = True
    """Replace attributes and secrets in log events."""


class Settings(_Section):
    """The whole tree."""

    server: ServerSettings = Field(default_factory=ServerSettings)
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    credentials: CredentialsSettings = Field(default_factory=CredentialsSettings)
    routing: RoutingSettings = Field(default_factory=RoutingSettings)
    runtime: RuntimeSettings = Field(default_factory=RuntimeSettings)
    callbacks: CallbackSettings = Field(default_factory=CallbackSettings)
    voice_gateway: VoiceGatewaySettings = Field(default_factory=VoiceGatewaySettings)
    bridge: BridgeSettings = Field(default_factory=BridgeSettings)
    stream: StreamSettings = Field(default_factory=StreamSettings)
    desk: DeskSettings = Field(default_factory=DeskSettings)
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    statistics: StatisticsSettings = Field(default_factory=StatisticsSettings)
    logging: LoggingSettings = Field(default_factory=LoggingSettings)

    @model_validator(mode="after")
    def _owners_answer_first(self) -> Self:
        if self.cluster.forward_timeout_s <= self.runtime.request_timeout_s:
            raise ValueError(
                "cluster.forward_timeout_s must be more than runtime.request_timeout_s, so that the owner "
                "of a workspace answers before another node gives up"
            )
        return self

    @classmethod
    def load(
        cls,
        config_file: Path | None = None,
        overrides: Overrides | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Build the tree from flags over environment over file over defaults.

        Args:
            config_file: TOML file; None takes the variable POINTSMAN_CONFIG, else no file.
            overrides: values of flags by (section, name); None values count as not given.
            environ: the environment; None takes the process's own. Empty values count as not given.

        Raises:
            SettingsError: one line naming the file or variable, the key, the value and what is allowed.
        """
        env = os.environ if environ is None else environ
        path = config_file or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
        names = {section: list(model.model_fields) for section, model in sections().items()}
        given: Given = from_file(path, names) if path else {}
        given |= from_environment(env, names, ignore=CONFIG_VARIABLE)
        given |= from_flags(overrides or {})
        place_data_dir(given, env)
        tree: dict[str, dict[str, Any]] = {}
        for (section, name), (_, value) in given.items():
            tree.setdefault(section, {})[name] = value
        try:
            return cls.model_validate(tree)
        except PydanticError as error:
            raise SettingsError(explain(error, given)) from None


def sections() -> dict[str, type[BaseModel]]:
    """Return the section models by name, in the order of the example file."""
    models = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: model for name, model in models.items() if isinstance(model, type)}
