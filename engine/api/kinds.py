"""The kinds of values in documents: text, numbers and SIDs with what JSON Schema says of them."""

from dataclasses import dataclass
from typing import Annotated, Any

from engine.readers import Schema


@dataclass(slots=True, frozen=True, eq=False)
class Facets:
    """What the schema of an annotated type says beside the type."""

    schema: Schema


def _sid(prefix: str) -> Facets:
    return Facets({"pattern": f"^{prefix}[0-9a-fA-F]{{32}}$"})


AccountSid = Annotated[str, _sid("AC")]
ActivitySid = Annotated[str, _sid("WA")]
AlertSid = Annotated[str, _sid("NO")]
AnySid = Annotated[str, _sid("[A-Z]{2}")]
ChannelSid = Annotated[str, _sid("TC")]
DeliverySid = Annotated[str, _sid("ED")]
EventSid = Annotated[str, _sid("EV")]
KeySid = Annotated[str, _sid("SK")]
QueueSid = Annotated[str, _sid("WQ")]
ReservationSid = Annotated[str, _sid("WR")]
TaskSid = Annotated[str, _sid("WT")]
TransferSid = Annotated[str, _sid("TT")]
WorkerChannelSid = Annotated[str, _sid("WC")]
WorkerSid = Annotated[str, _sid("WK")]
WorkflowSid = Annotated[str, _sid("WW")]
WorkspaceSid = Annotated[str, _sid("WS")]
Date = Annotated[str, Facets({"format": "date-time"})]
Url = Annotated[str, Facets({"format": "uri"})]
CallbackUrl = Annotated[str, Facets({"format": "uri-reference", "description": "Empty when none is set."})]
JsonText = Annotated[str, Facets({"contentMediaType": "application/json"})]
Count = Annotated[int, Facets({"minimum": 0})]
EventData = Annotated[Any, Facets({"type": "object", "additionalProperties": {"type": "string"}})]
"""Rendered as the text that is kept, hence not a dict."""
Int64 = Annotated[int, Facets({"format": "int64"})]
PageSize = Annotated[int, Facets({"minimum": 1, "maximum": 1_000})]
PageUri = Annotated[str, Facets({"format": "uri-reference"})]
ErrorStatus = Annotated[int, Facets({"minimum": 400, "maximum": 599})]
