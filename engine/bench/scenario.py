"""What a scenario file says: the world that is set up, the tasks that are sent, the phases that are measured.

A name, expression, attribute text or number in braces may hold `{n}`, the number of the copy: a queue with
`count: 5000` is 5,000 queues, and a task with `variants: 5000` asks for one of them at random.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(min_length=1, max_length=60)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Milliseconds = Annotated[float, Field(ge=0, le=600_000)]


class Part(BaseModel):
    """A part of a scenario: unknown keys are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Range(Part):
    """A time that is drawn evenly between two, in milliseconds."""

    min: Milliseconds = 0.0
    max: Milliseconds = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError("max is less than min")
        return self


class Queue(Part):
    """A task queue, or `count` of them."""

    name: Name
    count: Count = 1
    target_workers: str = "1==1"
    order: Literal["FIFO", "LIFO"] = "FIFO"
    max_reserved_workers: Annotated[int, Field(ge=1, le=50)] = 1


class Worker(Part):
    """A worker, or `count` of them; `{n}` starts again after `spread`."""

    name: Name
    count: Count = 1
    spread: Count = 1_000_000
    attributes: dict[str, Any] = {}
    capacity: dict[str, Annotated[int, Field(ge=0, le=100_000)]] = {"default": 1}


class Target(Part):
    """Where a filter sends a task: a queue by its name."""

    queue: Name
    expression: str | None = None
    priority: int | None = None
    timeout_s: Annotated[int, Field(ge=1)] | None = None


class Filter(Part):
    """A filter of the workflow. With `each` every workflow w has so many, {n} = w * each + 0, 1, …"""

    name: Name
    expression: str
    each: Count = 1
    targets: Annotated[list[Target], Field(min_length=1)]


class Workflow(Part):
    """The workflow, or `count` of them."""

    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    filters: list[Filter] = []
    default_queue: Name | None = None
    reservation_timeout_s: Annotated[int, Field(ge=1, le=86_400)] = 120


class Task(Part):
    """A kind of task: `weight` says how often it is drawn among all, `variants` how many `{n}` it has."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    variants: Count = 1
    attributes: dict[str, Any] = {}
    priority: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    channel: Name = "default"


class Answers(Part):
    """How workers behave: think, then accept (or reject), work, complete."""

    think_ms: Range = Range()
    work_ms: Range = Range(min=5.0, max=5.0)
    reject: Share = 0.0
    accept_over_api: Share = 0.0


class Phase(Part):
    """A measured stretch: creates (nobody takes the tasks) or cycles; at a rate, or flat out."""

    name: Name
    kind: Literal["creates", "cycles"] = "cycles"
    rate_per_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    arrivals: Literal["poisson", "even"] = "poisson"
    concurrency: Annotated[int, Field(ge=1, le=10_000)] = 64
    warmup_s: Annotated[float, Field(ge=0, le=3600)] = 2.0
    seconds: Annotated[float, Field(gt=0, le=86_400)] = 10.0
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 15.0
    backlog: Annotated[int, Field(ge=0, le=10_000_000)] = 0


class Scenario(Part):
    """A whole scenario file."""

    name: Name
    description: str = ""
    seed: int = 1
    channels: list[Name] = []
    queues: Annotated[list[Queue], Field(min_length=1)]
    workers: Annotated[list[Worker], Field(min_length=1)]
    workflow: Workflow
    tasks: Annotated[list[Task], Field(min_length=1)]
    backlog_task: Task | None = None
    answers: Answers = Answers()
    phases: Annotated[list[Phase], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        queues = {queue.name for queue in self.queues}
        for index, found in enumerate(self.workflow.filters):
            for number, target in enumerate(found.targets):
                if target.queue not in queues:
                    where = f"workflow.filters.{index}.targets.{number}.queue"
                    raise ValueError(f"{where}: there is no queue {target.queue!r}")
        if self.workflow.default_queue not in {None, *queues}:
            raise ValueError(f"workflow.default_queue: there is no queue {self.workflow.default_queue!r}")
        self._channels_are_known()
        if self.backlog_task is None and any(phase.backlog for phase in self.phases):
            raise ValueError("backlog_task is needed because a phase has a backlog")
        return self

    def _channels_are_known(self) -> None:
        channels = {"default", *self.channels}
        used = [(f"tasks.{i}.channel", task.channel) for i, task in enumerate(self.tasks)]
        for index, worker in enumerate(self.workers):
            used += [(f"workers.{index}.capacity.{channel}", channel) for channel in worker.capacity]
        for where, channel in used:
            if channel not in channels:
                raise ValueError(f"{where}: {channel!r} does not stand in channels")


def numbered(text: str, n: int) -> str:
    """Return the text with `{n}` replaced."""
    return text.replace("{n}", str(n))


def numbered_values(value: Any, n: int) -> Any:
    """Return the JSON value with `{n}` replaced in every text; a text that is just `{n}` becomes a number."""
    if isinstance(value, str):
        return n if value == "{n}" else numbered(value, n)
    if isinstance(value, dict):
        return {numbered(key, n): numbered_values(each, n) for key, each in value.items()}
    if isinstance(value, list):
        return [numbered_values(each, n) for each in value]
    return value
