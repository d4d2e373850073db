"""What statistics are asked by: fields of queries, and of the body of the bulk one (contract §6)."""

from collections.abc import Callable, Sequence

from engine.api import fields
from engine.api.forms import Form
from engine.api.operations import Fields, optional, repeated
from engine.api.problems import bad_request
from engine.api.windows import WINDOW
from engine.readers import reads

BULK_QUEUES_MAX = 50
THRESHOLDS_MAX = 100
THRESHOLD_MAX_S = 10**9

_THRESHOLD = fields.integer(0, THRESHOLD_MAX_S)


@reads(type="string", examples=["5,30,60"])
def _thresholds(name: str, value: str) -> Sequence[int]:
    thresholds = tuple(dict.fromkeys(_THRESHOLD(name, part.strip()) for part in value.split(",")))
    if len(thresholds) > THRESHOLDS_MAX:
        raise bad_request(f"{name} must hold at most {THRESHOLDS_MAX} numbers of seconds")
    return thresholds


def _queue_sids(form: Form, name: str, read: Callable[[str, str], str], _default: None) -> list[str]:
    """Read QueueSids, which some clients spell queueSids."""
    spelled = name if name in form else f"{name[0].lower()}{name[1:]}"
    sids = [read(spelled, text) for text in form.all(spelled)]
    if not 1 <= len(sids) <= BULK_QUEUES_MAX:
        raise bad_request(f"{name} must hold 1 to {BULK_QUEUES_MAX} SIDs")
    return sids


CHANNEL = Fields(
    channel=optional("TaskChannel", fields.text, "Only what is of this task channel: SID or unique name.")
)
PAST = WINDOW | CHANNEL
SPLIT_PAST = PAST | Fields(
    thresholds=optional("SplitByWaitTime", _thresholds, "Comma list of waits in seconds to split by.", ())
)
NAME = Fields(friendly_name=optional("FriendlyName", fields.text, "Only the one with exactly this name."))
WHICH_WORKERS = NAME | Fields(
    queue_sid=optional("TaskQueueSid", fields.sid("WQ"), "Only the workers whom this queue takes."),
    queue_name=optional("TaskQueueName", fields.text, "Only the workers whom the queue of this name takes."),
)
QUEUES = Fields(
    sids=repeated(
        "QueueSids", fields.sid("WQ"), f"1 to {BULK_QUEUES_MAX} queues.", _queue_sids, required=True
    )
)
