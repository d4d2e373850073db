"""What every handler works on: the live state and the matcher's indexes beside it."""

from dataclasses import dataclass, field

from engine.routing.eligibility import Eligibility
from engine.routing.entities import Task
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
    skip_if_open: set[str] = field(default_factory=set)
    """The tasks whose `skip_if_open` is set: they wait for one pass of the matcher to be asked."""
    choices: dict[str, Choice] = field(default_factory=dict)
    """By the SID of an open task that was offered. Not stored: a restart forgets."""
    deleted: dict[str, None] = field(default_factory=dict)
    """Finished tasks that were deleted while their row could still be read as it was."""
    tally: Tally = field(default_factory=Tally)
    """The counters of the open tasks, as of the last batch taken."""

    def set_skip_if_open(self, task: Task, open_: bool) -> None:
        """Put or drop the skip_if question of a task. It is stored, so that no restart loses it."""
        if task.skip_if_open != open_:
            task.skip_if_open = open_
            self.state.put_task(task)
        if open_:
            self.skip_if_open.add(task.sid)
        else:
            self.skip_if_open.discard(task.sid)
