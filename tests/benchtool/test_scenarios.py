"""Scenario files: those that ship are valid; what is wrong in one is told with its path."""

import ast
from pathlib import Path
from random import Random
from urllib.parse import parse_qs

import pytest

from engine.bench.errors import BenchError
from engine.bench.mix import Mix
from engine.bench.run import Options, adjusted
from engine.bench.scenario import Task, numbered_values
from engine.bench.scenario_file import load_scenario, parse_scenario, shipped_names

LOCUSTFILE = Path(__file__).resolve().parents[2] / "deploy" / "examples" / "locustfile.py"

GOOD = """
name: small
queues: [{name: everybody}]
workers: [{name: worker}]
workflow: {default_queue: everybody}
tasks: [{}]
phases: [{name: only}]
"""


def test_every_shipped_scenario_is_valid_and_named_like_its_file() -> None:
    assert {"cycles", "contact-centre", "backlog", "large"} <= set(shipped_names())
    for name in shipped_names():
        scenario = load_scenario(name)
        assert scenario.name == name
        assert scenario.description


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: small", "nome: small", "name: Field required"),
        ("name: small", "name: 5", "name: Input should be a valid string"),
        ("[{}]", "[{prority: 1}]", "tasks.0.prority: Extra inputs are not permitted"),
        ("[{}]", "[{weight: 0}]", "tasks.0.weight: Input should be greater than 0"),
        ("[{}]", "[{channel: chat}]", "tasks.0.channel: 'chat' does not stand in channels"),
        (
            "name: worker",
            "name: worker, capacity: {sms: 1}",
            "workers.0.capacity.sms: 'sms' does not stand in channels",
        ),
        ("default_queue: everybody", "default_queue: nobody", "workflow.default_queue: there is no queue"),
        (
            "default_queue: everybody",
            "filters: [{name: f, expression: '1==1', targets: [{queue: nobody}]}]",
            "workflow.filters.0.targets.0.queue: there is no queue 'nobody'",
        ),
        ("name: only", "name: only, backlog: 5", "backlog_task is needed"),
        ("name: only", "name: only, rate_per_s: -1", "phases.0.rate_per_s: Input should be greater than 0"),
        ("[{}]", "[{}]\nanswers: {think_ms: {min: 5, max: 1}}", "answers.think_ms: max is less than min"),
        ("phases: [{name: only}]", "phases: [", "no YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_path(old: str, new: str, message: str) -> None:
    parse_scenario(GOOD, "mine.yaml")
    with pytest.raises(BenchError) as caught:
        parse_scenario(GOOD.replace(old, new, 1), "mine.yaml")
    assert all(line.startswith("mine.yaml: ") for line in str(caught.value).splitlines())
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_the_shipped_names() -> None:
    with pytest.raises(BenchError, match=r"nothing\.yaml: No such file.*backlog"):
        load_scenario("nothing.yaml")


def test_flags_win_over_the_scenario_and_are_checked_like_it() -> None:
    scenario = parse_scenario(GOOD, "mine.yaml")
    changed = adjusted(scenario, Options("mine.yaml", True, seconds=0.5, rate_per_s=7, concurrency=3))
    [phase] = changed.phases
    assert (phase.seconds, phase.rate_per_s, phase.concurrency) == (0.5, 7, 3)
    with pytest.raises(BenchError, match="seconds: Input should be greater than 0"):
        adjusted(scenario, Options("mine.yaml", True, seconds=-1))
    with pytest.raises(BenchError, match="--phase other: the scenario has only"):
        adjusted(scenario, Options("mine.yaml", True, phases=("other",)))
    with pytest.raises(BenchError, match="no backlog_task"):
        adjusted(scenario, Options("mine.yaml", True, backlog=1))


def test_copies_are_numbered_in_texts_keys_and_alone_as_numbers() -> None:
    assert numbered_values({"skill {n}": ["{n}", "a {n}", 3]}, 7) == {"skill 7": [7, "a 7", 3]}


def test_the_same_seed_draws_the_same_tasks_by_weight_over_all_workflows() -> None:
    tasks = (
        Task(weight=3, variants=10, attributes={"skill": "{n}"}),
        Task(weight=1, attributes={}, priority=5, channel="chat"),
    )
    drawn = [Mix(tasks, ("WW0", "WW1"), Random(1)).draw() for _ in range(2)]
    assert drawn[0] == drawn[1]
    mix = Mix(tasks, ("WW0", "WW1"), Random(1))
    forms = [parse_qs(mix.draw().decode()) for _ in range(400)]
    rare = [form for form in forms if "Priority" in form]
    assert 60 < len(rare) < 140
    assert rare[0]["TaskChannel"] == ["chat"]
    used = {(form["Attributes"][0], form["WorkflowSid"][0]) for form in forms if "Priority" not in form}
    assert used == {(f'{{"skill": {n}}}', f"WW{n // 5}") for n in range(10)}


def test_the_locustfile_is_valid_and_has_both_kinds_of_users() -> None:
    tree = ast.parse(LOCUSTFILE.read_text())
    users = {node.name for node in tree.body if isinstance(node, ast.ClassDef)}
    assert users == {"Application", "Agent"}
