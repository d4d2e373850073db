"""The log: one event per fact, JSON lines for machines, readable lines on a terminal.

Every module logs through `get_logger()`; identifiers common to a piece of work (request_id, account_sid,
workspace_sid, task_sid, reservation_sid) are bound with `structlog.contextvars`. Secrets never reach the
output; attributes do only when `logging.redact` is off. What the standard library's loggers say becomes the
event `library.message`.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from engine.settings import LoggingSettings

REDACTED = "[redacted]"

_SECRET = re.compile(
    r"(token|secret|password|passwd|authorization|signature|cookie|credential|privatekey|^key$)"
)
_ATTRIBUTES = re.compile(r"(attributes|addons|^body$|^form$|^fields$)")
_USER_INFO = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")
_LIBRARIES_QUIET = ("asyncio", "aiohttp.access", "aiohttp.internal")


def get_logger() -> FilteringBoundLogger:
    """Return a logger whose methods take the event's name and its fields."""
    logger: FilteringBoundLogger = structlog.get_logger()
    return logger


Facts = Sequence[tuple[str, dict[str, Any]]]
"""Names of events with their fields."""


def log_facts(facts: Facts) -> None:
    """Log events of level info that happened together, whose fields hold nothing to redact.

    As JSON lines they go out in one write, past structlog: of its 20 µs an event 3 are left.
    """
    _fact_log.write(facts)


def debugging() -> bool:
    """Tell whether events of level debug are logged: asking is cheaper than logging in vain."""
    return _fact_log.debugging


def configure(settings: LoggingSettings, stream: TextIO | None = None, *, process: int | None = None) -> None:
    """Send the log of this process to `stream` (default: standard error) as the settings say.

    `process` is its number among several, which every event then has.
    """
    constant = {} if process is None else {"process": process}
    out = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _with(constant),
        redactor(settings.redact),
    ]
    _fact_log.write = _each_fact
    _fact_log.debugging = level <= logging.DEBUG
    if settings.format == "json" or (settings.format == "auto" and not out.isatty()):
        processors.append(json_line)
        if level <= logging.INFO:
            _fact_log.write = LineSink(out, constant).facts
    else:
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=out.isatty(), sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            )
        )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: LineSink(out),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_FromStandardLibrary()], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(capture=True)
    for name in _LIBRARIES_QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _with(constant: dict[str, Any]) -> Processor:
    """Make the processor that gives every event these fields."""

    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.update(constant)
        return event

    return add


def _each_fact(facts: Facts) -> None:
    log = get_logger()
    for name, fields in facts:
        log.info(name, **fields)


class _FactLog:
    """How events without anything to redact are written, and whether those of level debug are."""

    debugging: bool = True
    write: Callable[[Facts], None] = staticmethod(_each_fact)


_fact_log = _FactLog()


def redactor(attributes_too: bool) -> Processor:
    """Make the processor that hides secrets always, and attributes when `attributes_too`."""

    # Field names are few, and two regular expressions a field cost 15 % of the CPU of a create.
    @lru_cache(maxsize=4_096)
    def hidden(name: str) -> bool:
        plain = name.lower().replace("_", "").replace("-", "")
        return bool(_SECRET.search(plain)) or (attributes_too and bool(_ATTRIBUTES.search(plain)))

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _USER_INFO.sub(f"{REDACTED}@", value) if "://" in value else value
        if isinstance(value, dict):
            return {k: REDACTED if hidden(str(k)) else clean(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [clean(item) for item in value]
        return value

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name, value in event.items():
            event[name] = REDACTED if hidden(name) else clean(value)
        return event

    return redact


def json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Render an event as one JSON object; a structlog processor."""
    first = {name: event.pop(name, None) for name in ("timestamp", "level", "event")}
    return _as_json({**first, **event})


def _as_json(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # orjson refuses lone surrogates and integers above 64 bits
        return json.dumps(line, default=str)


class LineSink:
    """Writes lines and survives a stream that is gone: a full disk must not stop routing."""

    def __init__(self, out: TextIO, constant: dict[str, Any] | None = None) -> None:
        self._out = out
        self._constant = constant or {}

    def facts(self, facts: Facts) -> None:
        """Write a JSON line for each event, all with the present time."""
        first = {
            "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "level": "info",
            "event": "",
            **self._constant,
        }
        self.msg("\n".join([_as_json({**first, **fields, "event": name}) for name, fields in facts]))

    def msg(self, line: str) -> None:
        """Write one line, or drop it when the stream does not take it."""
        try:
            self._out.write(line + "\n")
            self._out.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = log = msg


class _FromStandardLibrary(logging.Handler):
    """Turns records of standard loggers into events."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = get_logger()
        write: Callable[..., Any] = logger.error if record.levelno >= logging.ERROR else logger.warning
        write(
            "library.message",
            library=record.name,
            message=record.getMessage(),
            exc_info=record.exc_info or None,
        )
