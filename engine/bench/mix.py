"""Which task comes next: drawn from the scenario's kinds by weight, and its copy at random."""

import json
from itertools import accumulate
from random import Random
from urllib.parse import urlencode

from engine.bench.scenario import Task, numbered_values

CACHED_MAX = 20_000


class Mix:
    """Draws the forms of tasks; the same seed draws the same."""

    def __init__(self, tasks: tuple[Task, ...], workflows: tuple[str, ...], random: Random) -> None:
        self._tasks = tasks
        self._workflows = workflows
        self._random = random
        self._weights = list(accumulate(task.weight for task in tasks))
        self._bodies: dict[tuple[int, int], bytes] = {}

    def draw(self) -> bytes:
        """Return the form of a task's creation."""
        kind = self._random.choices(range(len(self._tasks)), cum_weights=self._weights)[0]
        n = self._random.randrange(self._tasks[kind].variants)
        body = self._bodies.get((kind, n))
        if body is None:
            body = urlencode(task_fields(self._tasks[kind], n, self._workflows)).encode()
            if len(self._bodies) < CACHED_MAX:
                self._bodies[kind, n] = body
        return body


def task_fields(task: Task, n: int, workflows: tuple[str, ...]) -> dict[str, str]:
    """Return the fields of a task's creation; the copies of a task are spread over the workflows in order."""
    fields = {"Attributes": json.dumps(numbered_values(task.attributes, n))}
    if task.priority:
        fields["Priority"] = str(task.priority)
    if task.channel != "default":
        fields["TaskChannel"] = task.channel
    if workflows:
        fields["WorkflowSid"] = workflows[n * len(workflows) // task.variants]
    return fields
