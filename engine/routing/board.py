"""What every handler works on: the live state and the matcher's indexes beside it."""

from dataclasses import dataclass, field

from engine.routing.eligibility import Eligibility
from engine.routing.state import WorkspaceState
from engine.routing.statistics import Tally

Choice = tuple[int, dict[str, int | None]]
"""What the matcher chose from when it began a task's last round, for explanations.

How many workers the task could be offered to; and the chosen ones by SID, best first, with the time of each
one's reservation before that, None for never. A tuple, because every round makes one.
"""


@dataclass(slots=True)
class Board:
    """One workspace: its entities, who may take what, and the tasks whose skip_if is still to be asked."""

    state: WorkspaceState
    eligibility: Eligibility
    entered: dict[str, None] = field(default_factory=dict)
    """Tasks that entered a step with skip_if and wait for one pass of the matcher, in order of entry."""
    choices: dict[str, Choice] = field(default_factory=dict)
    """By the SID of an open task that was offered. Not stored: a restart forgets."""
    deleted: dict[str, None] = field(default_factory=dict)
    """Finished tasks that were deleted while their row could still be read as it was."""
    tally: Tally = field(default_factory=Tally)
    """The counters of the open tasks, as of the last batch taken."""
