"""What became of the promises: the audit of `pointsman chaos`, for a database that may have several hosts."""

from dataclasses import asdict
from typing import Any

from engine.chaos import audit as chaos
from engine.chaos.promises import Promises
from tests.chaos.load import Answers


async def audit(dsn: str, workspace_sid: str, answers: Answers) -> dict[str, Any]:
    """Compare the rows and the log with what was acknowledged."""
    promises = Promises(
        created=set(answers.created),
        completed=answers.completed,
        acknowledged=len(answers.created) + len(answers.completed),
    )
    return asdict(await chaos.audit(dsn, workspace_sid, promises))


def clean(figures: dict[str, Any]) -> bool:
    """Tell whether an audit found nothing."""
    return not (figures["lost"] or figures["twice"] or figures["breaches"] or figures["problems"])
