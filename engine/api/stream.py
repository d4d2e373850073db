"""The event log as it is written, over a connection that stays open. Ours, beside the contract.

Server-Sent Events, or JSON lines for `Accept: application/x-ndjson` or `Format=ndjson`. An event is what the
list of events has, with `sequence`, its gapless number in the workspace, which is also the `id` to resume by.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

import orjson
from aiohttp import HttpVersion11, web

from engine import metrics
from engine.api import fields
from engine.api.call import Call
from engine.api.documents import StreamedEvent
from engine.api.events import event as event_document
from engine.api.forms import Form
from engine.api.middleware import dress
from engine.api.operations import Fields, operation, optional, repeated
from engine.api.problems import ApiError, bad_request, unavailable
from engine.api.representations import Place
from engine.logs import get_logger
from engine.routing.effects import Event
from engine.routing.views import EventView
from engine.stream.feed import Feed
from engine.stream.frames import MEDIA, Filter, Format, Style
from engine.stream.hub import StreamHub
from engine.stream.ports import MARK
from engine.stream.reader import Ending
from engine.stream.reader import Reader as StreamReader
from engine.stream.start import BeyondEnd, NotKept, Start, TooManyReaders

NO_LONGER_KEPT = 20410
WANTED_MAX = 100
"""Most values of one filter."""

_HEADER = "Last-Event-ID"
_RETRY_AFTER_S = 5
_JSON_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})
_HEADERS = {
    "Cache-Control": "no-store",
    # Proxies that would collect an answer before they pass it on.
    "X-Accel-Buffering": "no",
}

log = get_logger()


def _each(form: Form, name: str, read: Callable[[str, str], str], _default: None) -> frozenset[str]:
    """Read every value of a filter, sent one by one or between commas."""
    texts = [text.strip() for value in form.all(name) for text in value.split(",")]
    wanted = frozenset(read(name, text) for text in texts if text)
    if len(wanted) > WANTED_MAX:
        raise bad_request(f"{name} must hold at most {WANTED_MAX} values")
    return wanted


_STREAM = Fields(
    start=optional(
        "From",
        fields.integer(0, fields.WHOLE_NUMBER_MAX),
        "Sequence of the first event; 0 is the oldest that is kept. By default only what comes from now on.",
    ),
    event_types=repeated("EventType", fields.text, "Only these types, also between commas.", _each),
    task_sids=repeated("TaskSid", fields.sid("WT"), "Only what is about these tasks.", _each),
    worker_sids=repeated("WorkerSid", fields.sid("WK"), "Only what is about these workers.", _each),
    task_queue_sids=repeated("TaskQueueSid", fields.sid("WQ"), "Only what is about these queues.", _each),
    format=optional("Format", fields.choice(Format), "How events are written, whatever Accept says."),
)


@operation(
    "StreamEvent",
    query=_STREAM,
    media=tuple(MEDIA.values()),
    resumed=True,
    refusals=(410,),
)
async def stream_events(call: Call) -> web.StreamResponse:
    """Tell the workspace's events as they are committed, in their order, until the client goes.

    Resumed by Last-Event-ID (behind that event) or From (with that event), nothing is missing or repeated.
    400 when the log does not go that far, 410 when events from there on are no longer all kept.
    """
    hub = call.api.streams
    if hub is None:
        raise unavailable("There are no streams here")
    asked = call.filters(call.query())
    given, start = asked.pop("format"), asked.pop("start")
    start = _start(call.request, start)
    format_ = given or _accepted(call.request)
    style = Style(format_, call.place().root, call.request.version >= HttpVersion11)
    reader = StreamReader(
        call.account_sid, call.workspace_sid, Filter(**asked), style, _allowed(call), hub.limits
    )
    reader.begins_now = start.sequence is None
    feed = await _joined(hub, reader, start)
    try:
        return await _serve(call, reader, feed)
    finally:
        hub.leave(reader, feed)
        _account(reader)


def _start(request: web.Request, first: int | None) -> Start:
    """Return where to begin: behind what the client has had last, else where the URL says."""
    text = request.headers.get(_HEADER, "").strip()
    if not text:
        return Start(first)
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise bad_request(f"{_HEADER} must be the sequence of an event")
    return Start(int(text) + 1)


def _accepted(request: web.Request) -> Format:
    """Return the format that the client names first; Server-Sent Events when it names none of them."""
    for part in ",".join(request.headers.getall("Accept", [])).split(","):
        media = part.partition(";")[0].strip().lower()
        if media == MEDIA[Format.SSE]:
            return Format.SSE
        if media in _JSON_LINES:
            return Format.NDJSON
    return Format.SSE


def _allowed(call: Call) -> Callable[[], bool]:
    """Return what tells whether the client's credentials still hold."""
    authenticator = call.api.authenticator
    authorization, principal = call.request.headers.get("Authorization"), call.principal

    def holds() -> bool:
        try:
            return authenticator.confirm(authorization).account_sid == principal.account_sid
        except ApiError:
            return False

    return holds


async def _joined(hub: StreamHub, reader: StreamReader, start: Start) -> Feed:
    try:
        return await hub.join(reader, start)
    except TooManyReaders as error:
        metrics.STREAM_READERS_REFUSED.inc()
        raise unavailable(str(error), _RETRY_AFTER_S) from None
    except BeyondEnd as error:
        raise bad_request(
            f"The log ends with event {error.last}: From must be at most {error.last + 1}, "
            f"{_HEADER} at most {error.last}"
        ) from None
    except NotKept as error:
        message = f"Events before {error.first} are no longer kept; From=0 begins with the oldest that is"
        raise ApiError(410, NO_LONGER_KEPT, message) from None


async def _serve(call: Call, reader: StreamReader, feed: Feed) -> web.StreamResponse:
    """Send the head, then events until the stream ends."""
    request = call.request
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": MEDIA[reader.style.format]})
    response.force_close()
    if reader.style.chunked:
        response.enable_chunked_encoding()
    dress(request, response)
    # Whoever hangs up meanwhile is nobody's fault.
    with suppress(ConnectionError):
        writer = await response.prepare(request)
        transport = request.transport
        if writer is None or transport is None:
            return response
        log.info("stream.opened", from_sequence=reader.position.sequence + 1, format=reader.style.format)
        reader.connect(transport, writer)
        await _follow(feed, reader)
        await reader.close()
    return response


async def _follow(feed: Feed, reader: StreamReader) -> None:
    try:
        await feed.follow(reader)
    except Exception:
        # The answer is under way: it cannot become an error any more.
        log.exception("stream.failed")
        reader.end(Ending.FAILED)


def _account(reader: StreamReader) -> None:
    reason = reader.ending or Ending.GONE
    metrics.STREAM_READERS_ENDED.labels(reason).inc()
    log.info(
        "stream.closed",
        reason=reason,
        last_sequence=reader.position.sequence,
        events=reader.events,
        duration_ms=reader.age_ms(),
    )


def render(account_sid: str, workspace_sid: str, event: Event) -> bytes:
    """Return an event as the list of events has it, with its sequence; its URLs begin with MARK."""
    view = EventView(
        event.sid,
        event.sequence,
        event.event_type,
        event.event_date_ms,
        event.description,
        event.resource_type,
        event.resource_sid,
        event.actor_type,
        event.actor_sid,
        orjson.dumps(event.data).decode(),
    )
    document: Mapping[str, object] = streamed(Place(MARK, account_sid, workspace_sid, 0), view)
    return orjson.dumps(document)


def streamed(place: Place, view: EventView) -> StreamedEvent:
    """Render an event of a stream."""
    return {**event_document(place, view), "sequence": view.sequence}
