"""The command line: serve, nodes, migrate, check-config, lint, tail, stats, deliveries, desk-link,
keys, accounts, quickstart, bench, chaos.

Exit codes: 0 done, 1 it failed, 2 the command line or a setting is wrong. What can be expected to go wrong is
told in one line on standard error, without a traceback.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import click

from engine import __version__, logs
from engine.errors import PointsmanError, SettingsError
from engine.settings import LoggingSettings, Settings, sections
from engine.settings_sources import SECRETS
from engine.sids import is_sid

NAME_CHARS_MAX = 64


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pointsman", message="%(prog)s %(version)s")
def main() -> None:
    """Pointsman routes tasks to workers and speaks TaskRouter's REST API."""


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that set something, and hand the command its Settings."""

    def with_settings(
        config: Path | None,
        host: str | None,
        port: str | None,
        data_dir: str | None,
        database_url: str | None,
        **options: Any,
    ) -> None:
        flags = {
            ("server", "host"): host,
            ("server", "port"): port,
            ("database", "data_dir"): data_dir,
            ("database", "url"): database_url,
        }
        with _failures():
            command(Settings.load(config, flags), **options)

    options = (
        click.option(
            "--config", type=click.Path(path_type=Path), metavar="FILE", help="TOML file of settings."
        ),
        click.option("--host", metavar="H", help="Address to listen on."),
        click.option("--port", metavar="N", help="Port to listen on."),
        click.option("--data-dir", metavar="DIR", help="Directory of the database and the credentials."),
        click.option("--database-url", metavar="DSN", help="PostgreSQL to use instead of the embedded one."),
    )
    wrapped: Callable[..., None] = update_wrapper(with_settings, command)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


@main.command()
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Processes that share the port, each a node of its own.",
)
@_settings_options
def serve(settings: Settings, *, processes: int | None) -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    logs.configure(settings.logging)
    if processes is not None:
        cluster = settings.cluster.model_copy(update={"processes": processes})
        settings = settings.model_copy(update={"cluster": cluster})
    if settings.cluster.processes > 1:
        from engine import processes as several

        sys.exit(several.run(settings))
    from engine import daemon

    daemon.run(settings)


@main.command("serve-process", hidden=True)
@click.option("--link", type=int, required=True)
def serve_process(link: int) -> None:
    """Run as one of the processes of `serve --processes`."""
    from engine import daemon
    from engine.process_link import ParentLink

    parent = ParentLink(link)
    logs.configure(parent.settings.logging, process=parent.place.number)
    with _failures():
        daemon.run_process(parent)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@_settings_options
def nodes(settings: Settings, *, as_json: bool) -> None:
    """List the nodes that live on the database: state, workspaces, load, when they were last seen."""
    from engine import nodes_command

    logs.configure(settings.logging)
    nodes_command.show(settings, as_json=as_json)


@main.command()
@_settings_options
def migrate(settings: Settings) -> None:
    """Bring the database's schema up to date and stop."""
    from engine import daemon

    logs.configure(settings.logging)
    version = daemon.migrate(settings)
    click.echo(f"The schema is at version {version}.")


@main.command("check-config")
@_settings_options
def check_config(settings: Settings) -> None:
    """Check the settings and show those that are not the default."""
    for section, model in sections().items():
        values = getattr(settings, section)
        for name, field in model.model_fields.items():
            value = getattr(values, name)
            if value != field.get_default(call_default_factory=True):
                shown = "(hidden)" if (section, name) in SECRETS else value
                click.echo(f"{section}.{name} = {shown}")
    click.echo("The configuration is valid.")


@main.command()
@click.option("--keep", is_flag=True, help="Leave the daemon running until Ctrl-C.")
def quickstart(keep: bool) -> None:
    """Watch a small support centre route 60 tasks, on a daemon and a database made for it."""
    from engine import quickstart as show

    with _failures():
        sys.exit(show.run(keep=keep))


@main.command()
@click.argument("scenario", default="cycles", metavar="[SCENARIO]")
@click.option(
    "--local", is_flag=True, help="Start a daemon and a PostgreSQL (fsync on) of its own, and remove them."
)
@click.option("--url", metavar="URL", help="A running daemon to measure instead.")
@click.option("--account-sid", envvar="POINTSMAN_ACCOUNT_SID", metavar="AC", help="Or POINTSMAN_ACCOUNT_SID.")
@click.option(
    "--auth-token", envvar="POINTSMAN_AUTH_TOKEN", metavar="T", help="Better given as POINTSMAN_AUTH_TOKEN."
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, resolve_path=True),
    metavar="FILE",
    help="Settings of --local's daemon.",
)
@click.option("--phase", "phases", multiple=True, metavar="NAME", help="Only this phase; may be repeated.")
@click.option("--rate", "rate_per_s", type=float, metavar="N", help="Tasks per second, in every phase.")
@click.option("--concurrency", type=int, metavar="N", help="Tasks under way at once in flat-out phases.")
@click.option("--seconds", type=float, metavar="S", help="How long each phase is measured.")
@click.option("--warmup", "warmup_s", type=float, metavar="S", help="How long load runs before that.")
@click.option("--backlog", type=int, metavar="N", help="Tasks that wait, before load begins, for nobody.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, metavar="N", help="Generators."
)
@click.option(
    "--against",
    multiple=True,
    type=click.Choice(["hello", "sql", "procrastinate", "pgqueuer"]),
    help="Measure this as well, for a ratio; may be repeated.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, metavar="H", help="Address to receive callbacks on."
)
@click.option(
    "--callback-host",
    "announced_host",
    metavar="H",
    help="What the daemon is told instead, behind NAT or on 0.0.0.0.",
)
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a report with plots.")
@click.option(
    "--json", type=click.Path(path_type=Path), metavar="FILE", help="Write the JSON line here, not to stdout."
)
@click.option("--keep", is_flag=True, help="Leave the workspaces that are made.")
def bench(**options: Any) -> None:
    """Measure a daemon over HTTP, as applications and workers use it, and audit it afterwards.

    SCENARIO is the path of a YAML file, or the name of a shipped one: cycles (creates and life cycles, flat
    out), contact-centre (a steady rate, people who think), backlog (100,000 tasks wait), large (500,000 wait
    in a large world). Progress and a table go to standard error, one JSON line to standard output; the exit
    code is 1 when a task was lost or assigned twice.
    """
    from engine.bench import run as benchmark

    logs.configure(LoggingSettings(level="warning"))
    with _failures():
        sys.exit(benchmark.run(benchmark.Options(**options)))


@main.command()
@click.option(
    "--minutes",
    type=click.FloatRange(0, 10_000),
    default=2.0,
    show_default=True,
    metavar="M",
    help="How long; every fault is done once at least.",
)
@click.option("--faults", default="", metavar="A,B", help="Only these.")
@click.option("--list", "as_list", is_flag=True, help="Tell which faults there are.")
@click.option(
    "--kills", type=click.IntRange(1), metavar="N", help="Only SIGKILL, N times, as fast as it goes."
)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N", help="Draws order and moments.")
@click.option(
    "--rate",
    "rate_per_s",
    type=click.FloatRange(1, 2_000),
    default=150.0,
    show_default=True,
    metavar="N",
    help="Life cycles per second that are begun.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line on standard output, the rest elsewhere.")
def chaos(
    *,
    minutes: float,
    faults: str,
    as_list: bool,
    kills: int | None,
    seed: int,
    rate_per_s: float,
    as_json: bool,
) -> None:
    """Pull the plug on a throw-away daemon under load, in many ways, and audit what it had acknowledged.

    A PostgreSQL (fsync on) and a daemon are started in a temporary directory. Life cycles over HTTP, with
    real callbacks, keep every answer; after each fault these are compared with the rows and the event log.
    The exit code is 1 when anything was lost, assigned twice or put beyond a capacity, or did not recover.
    """
    from engine.chaos import faults as known
    from engine.chaos import run as chaos_run

    if as_list:
        for name, what in known.described():
            click.echo(f"{name:<17}{what}")
        return
    if kills and faults:
        raise click.UsageError("--kills and --faults exclude each other")
    try:
        chosen = known.chosen(faults)
    except PointsmanError as error:
        raise click.UsageError(f"--faults: {error}") from None
    logs.configure(LoggingSettings(level="error"), StringIO())  # PostgreSQL's end is our own doing
    with _failures():
        options = chaos_run.Options(
            minutes=minutes,
            faults=chosen,
            seed=seed,
            rate_per_s=rate_per_s,
            kills=kills or 0,
            as_json=as_json,
        )
        sys.exit(chaos_run.run(options))


@main.command()
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--workspace", metavar="WS", help="SID of a workspace of a running daemon.")
@click.option(
    "--url", metavar="URL", help="Where the daemon is; by default as POINTSMAN_PUBLIC_URL or _HOST say."
)
@click.option("--account-sid", metavar="AC", help="Account to sign in with; or POINTSMAN_ACCOUNT_SID.")
@click.option("--auth-token", metavar="T", help="Its auth token; better given as POINTSMAN_AUTH_TOKEN.")
@click.option("--strict", is_flag=True, help="Exit 1 when there are warnings.")
def lint(
    *,
    file: str | None,
    workspace: str | None,
    url: str | None,
    account_sid: str | None,
    auth_token: str | None,
    strict: bool,
) -> None:
    """Warn of what is probably wrong in a workflow's configuration.

    FILE is the JSON of a configuration, - reads it from standard input. With --workspace all workflows and
    queues of that workspace are looked at, against the attributes that its workers have; with both, FILE is.
    """
    from engine import lint_command

    if file is None and workspace is None:
        raise click.UsageError("give a FILE, or a workspace with --workspace")
    if workspace is not None and not is_sid(workspace, "WS"):
        raise click.UsageError("--workspace: WS and 32 hexadecimal digits are needed")
    flags = {
        ("server", "public_url"): url,
        ("credentials", "account_sid"): account_sid,
        ("credentials", "auth_token"): auth_token,
    }
    with _failures():
        daemon = lint_command.daemon_of(Settings.load(None, flags)) if workspace else None
        sys.exit(lint_command.run(file, workspace, daemon, strict=strict))


@main.command()
@click.option("--workspace", default="", metavar="WS", help="SID of the workspace, if there are several.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only of this type; repeatable.")
@click.option("--task", "tasks", multiple=True, metavar="WT", help="Only about this task; repeatable.")
@click.option("--worker", "workers", multiple=True, metavar="WK", help="Only about this worker; repeatable.")
@click.option("--queue", "queues", multiple=True, metavar="WQ", help="Only about this queue; repeatable.")
@click.option(
    "--from", "start", type=click.IntRange(0), metavar="N", help="First event; 0 is the oldest that is kept."
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR=1 says the same.")
@click.option(
    "--url", metavar="URL", help="Where the daemon is; by default as POINTSMAN_PUBLIC_URL or _HOST say."
)
@click.option("--account-sid", metavar="AC", help="Account to sign in with; or POINTSMAN_ACCOUNT_SID.")
@click.option("--auth-token", metavar="T", help="Its auth token; better given as POINTSMAN_AUTH_TOKEN.")
def tail(
    *,
    workspace: str,
    types: tuple[str, ...],
    tasks: tuple[str, ...],
    workers: tuple[str, ...],
    queues: tuple[str, ...],
    start: int | None,
    as_json: bool,
    no_color: bool,
    url: str | None,
    account_sid: str | None,
    auth_token: str | None,
) -> None:
    """Follow the events of a workspace of a running daemon, from now on or --from an event; Ctrl-C ends.

    Each line has the time, sequence and type of the event, the SID that it is about, and whom else it
    concerns. A lost connection is made again and goes on where it was.
    """
    from engine import lint_command, tail_command

    flags = {
        ("server", "public_url"): url,
        ("credentials", "account_sid"): account_sid,
        ("credentials", "auth_token"): auth_token,
    }
    with _failures():
        daemon = lint_command.daemon_of(Settings.load(None, flags))
        wanted = tail_command.Wanted(
            workspace_sid=_workspace_sid(workspace or None) or "",
            event_types=types,
            task_sids=tasks,
            worker_sids=workers,
            task_queue_sids=queues,
            start=start,
            as_json=as_json,
            color=not no_color,
        )
        tail_command.run(daemon, wanted)


@main.group()
def stats() -> None:
    """Look after the statistics."""


@stats.command("verify")
@click.option("--workspace", metavar="WS", help="SID of a workspace; without it, all of them.")
@_settings_options
def stats_verify(settings: Settings, workspace: str | None) -> None:
    """Recompute the statistics from the event log; exit 1 when they differ from what is stored."""
    from engine import stats_command

    logs.configure(settings.logging)
    sys.exit(stats_command.verify(settings, _workspace_sid(workspace)))


@stats.command("rebuild")
@click.option("--workspace", metavar="WS", help="SID of a workspace; without it, all of them.")
@_settings_options
def stats_rebuild(settings: Settings, workspace: str | None) -> None:
    """Make the statistics again from the event log; meanwhile questions are answered from the log itself."""
    from engine import stats_command

    logs.configure(settings.logging)
    sys.exit(stats_command.rebuild(settings, _workspace_sid(workspace)))


def _workspace_sid(workspace: str | None) -> str | None:
    if workspace is not None and not is_sid(workspace, "WS"):
        raise click.UsageError("--workspace: WS and 32 hexadecimal digits are needed")
    return workspace


@main.group()
def deliveries() -> None:
    """See what became of event callbacks, and have them made again."""


_WORKSPACE = click.option("--workspace", metavar="WS", required=True, help="SID of the workspace.")


@deliveries.command("list")
@_WORKSPACE
@click.option("--status", type=click.Choice(["pending", "delivered", "dead"]), help="Only those.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@_settings_options
def list_deliveries(settings: Settings, *, workspace: str, status: str | None, limit: int) -> None:
    """Print the newest deliveries: event date, SID, status, attempts, event type, resource, last error."""
    from engine import deliveries_command

    logs.configure(settings.logging)
    deliveries_command.show(settings, _known_sid(workspace), status, limit)


@deliveries.command("redeliver")
@_WORKSPACE
@click.argument("sids", metavar="[ED]...", nargs=-1)
@click.option("--dead", is_flag=True, help="All that were given up.")
@_settings_options
def redeliver(settings: Settings, *, workspace: str, sids: tuple[str, ...], dead: bool) -> None:
    """Have events delivered again: those of the named deliveries, or all that were given up."""
    from engine import deliveries_command

    if bool(sids) == dead:
        raise click.UsageError("name deliveries, or --dead")
    logs.configure(settings.logging)
    deliveries_command.redeliver(settings, _known_sid(workspace), sids)


def _known_sid(workspace: str) -> str:
    sid = _workspace_sid(workspace)
    assert sid is not None
    return sid


@main.command("desk-link")
@click.argument("worker", metavar="WORKER")
@click.option("--workspace", metavar="WS", help="Its workspace, when several have a worker of that name.")
@click.option("--account-sid", metavar="AC", help="Account of the worker; by default the main one.")
@_settings_options
def desk_link(settings: Settings, *, worker: str, workspace: str | None, account_sid: str | None) -> None:
    """Print a link that signs a worker in at the desk; it works once, and for a short time.

    WORKER is the SID or the name of a worker.
    """
    from engine import desk_command

    logs.configure(settings.logging)
    workspace_sid = _workspace_sid(workspace)
    click.echo(asyncio.run(desk_command.make_link(settings, worker, workspace_sid, account_sid)))


@main.group()
def keys() -> None:
    """Manage API keys."""


@keys.command("create")
@click.option("--account-sid", metavar="AC", help="Account the key is for; by default the main one.")
@click.option("--name", default="", metavar="NAME", help="What to call it, at most 64 characters.")
@_settings_options
def create_key(settings: Settings, *, account_sid: str | None, name: str) -> None:
    """Make an API key and show its secret, this once."""
    from engine import keys_command

    _check_name(name)
    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.create_key(books, account_sid, name))


@keys.command("list")
@click.option("--account-sid", metavar="AC", help="Account whose keys are listed; by default the main one.")
@_settings_options
def list_keys(settings: Settings, *, account_sid: str | None) -> None:
    """List the API keys of an account."""
    from engine import keys_command

    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.list_keys(books, account_sid))


@keys.command("revoke")
@click.argument("key_sid", metavar="SK")
@_settings_options
def revoke_key(settings: Settings, *, key_sid: str) -> None:
    """Take an API key out of force, and with it every token that it signed."""
    from engine import keys_command

    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.revoke_key(books, key_sid))


@main.group()
def accounts() -> None:
    """Manage accounts: each has workspaces, keys and tokens of its own."""


@accounts.command("create")
@click.option("--name", default="", metavar="NAME", help="What to call it, at most 64 characters.")
@_settings_options
def create_account(settings: Settings, *, name: str) -> None:
    """Make an account and show its auth token, this once."""
    from engine import keys_command

    _check_name(name)
    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.create_account(books, name))


@accounts.command("list")
@_settings_options
def list_accounts(settings: Settings) -> None:
    """List the accounts."""
    from engine import keys_command

    logs.configure(settings.logging)
    keys_command.run(settings, keys_command.list_accounts)


@accounts.command("suspend")
@click.argument("account_sid", metavar="AC")
@_settings_options
def suspend_account(settings: Settings, *, account_sid: str) -> None:
    """Refuse all requests of an account; its tasks go on being routed."""
    from engine import keys_command

    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.set_account_status(books, account_sid, "suspended"))


@accounts.command("activate")
@click.argument("account_sid", metavar="AC")
@_settings_options
def activate_account(settings: Settings, *, account_sid: str) -> None:
    """Take requests of a suspended account again."""
    from engine import keys_command

    logs.configure(settings.logging)
    keys_command.run(settings, lambda books: keys_command.set_account_status(books, account_sid, "active"))


def _check_name(name: str) -> None:
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise click.UsageError(f"--name: at most {NAME_CHARS_MAX} printable characters are needed")


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what can be expected to go wrong into one line and an exit code."""
    try:
        yield
    except SettingsError as error:
        _fail(str(error), 2)
    except PointsmanError as error:
        _fail(str(error) or type(error).__name__, 1)
    except OSError as error:
        _fail(_describe(error), 1)


def _describe(error: OSError) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"pointsman: {message}", err=True)
    raise SystemExit(code)
