"""The contract's facts against what the code declares: every operation, parameter and property, no more.

What goes beyond the contract is named here. The last test prints the counts.
"""

import sys

import orjson
import pytest

from engine.api.docs import DOCUMENTATION
from tests.wire.described import (
    Described,
    agrees,
    bare_app,
    body_of,
    kinds_of,
    parameters,
    resolved,
    segments,
)
from tests.wire.support import FACTS

OPERATIONS = {fact["id"]: fact for fact in FACTS["operations"]}
BEYOND = {
    "ListTransfer", "CreateTransfer", "FetchTransfer", "UpdateTransfer",
    "CreateTaskBulk", "ExplainTask", "ListDelivery", "FetchDelivery", "Redeliver", "ReplayDelivery",
    "StreamEvent",
    "ListAlert", "FetchAlert",
    *(f"{name}{suffix}" for name in ("ListKey", "CreateNewKey", "FetchKey", "UpdateKey", "DeleteKey")
      for suffix in ("", "Json")),
    "FetchHealth", "FetchReadiness", "FetchMetrics",
    "FetchOpenApi", "FetchDocumentationPage", "FetchDocumentationAsset",
}  # fmt: skip
FIELDS_BEYOND = {
    ("UpdateTask", "AttributesMerge"),
    ("UpdateWorker", "AttributesMerge"),
    # The contract leaves the body of the bulk statistics untyped (contract §8).
    ("CreateTaskQueueBulkRealTimeStatistics", "QueueSids"),
}
WIDER = {
    # Anything but a spelling of true counts as false (contract §5.2, §5.4, §5.11).
    ("CreateActivity", "Available"),
    ("UpdateWorkflow", "ReEvaluateTasks"),
    ("CreateTask", "IgnoreCapacity"),
    # The words are asked for when the instruction is the one that they belong to.
    ("UpdateTaskReservation", "StatusCallbackEvent"),
    ("UpdateTaskReservation", "ConferenceStatusCallbackEvent"),
    ("UpdateWorkerReservation", "StatusCallbackEvent"),
    ("UpdateWorkerReservation", "ConferenceStatusCallbackEvent"),
}


@pytest.fixture(scope="module")
def document() -> Described:
    return orjson.loads(bare_app()[DOCUMENTATION].raw)


@pytest.fixture(scope="module")
def described(document: Described) -> dict[str, Described]:
    """The described operations by id, with method and path."""
    return {
        operation["operationId"]: {**operation, "method": method.upper(), "path": path}
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def properties_of(document: Described, fact: Described, operation: Described) -> dict[str, Described]:
    answer = operation["responses"][str(fact["status"])]["content"]["application/json"]["schema"]
    schema = resolved(document, answer)
    if "list_key" in fact:
        assert sorted(schema["required"]) == sorted(["meta", fact["list_key"]])
        schema = resolved(document, schema["properties"][fact["list_key"]]["items"])
    assert schema["additionalProperties"] is False
    assert sorted(schema["required"]) == sorted(schema["properties"])
    return schema["properties"]


def form_of(document: Described, operation: Described) -> dict[str, Described]:
    """The fields of a body, but for those that are ours."""
    fields = body_of(document, operation).get("properties", {})
    return {n: schema for n, schema in fields.items() if (operation["operationId"], n) not in FIELDS_BEYOND}


EACH = pytest.mark.parametrize("fact", list(OPERATIONS.values()), ids=list(OPERATIONS))


def test_there_are_the_operations_of_the_contract_and_those_that_are_ours(described):
    assert set(described) - BEYOND == set(OPERATIONS)


@EACH
def test_an_operation_is_where_the_contract_has_it(document, described, fact):
    operation = described[fact["id"]]
    assert operation["method"] == fact["method"]
    assert segments(operation["path"]) == segments(fact["path"])
    ours = [p["schema"] for p in operation["parameters"] if p["in"] == "path"]
    for kind, schema in zip(fact["segments"].values(), ours, strict=True):
        assert agrees(kind, kinds_of(schema)), (kind, schema)


@EACH
def test_an_operation_takes_the_parameters_of_the_contract(document, described, fact):
    operation = described[fact["id"]]
    body = body_of(document, operation)
    form = {
        name: schema
        for name, schema in body.get("properties", {}).items()
        if (fact["id"], name) not in FIELDS_BEYOND
    }
    assert sorted(parameters(operation, "query")) == sorted(fact.get("query", {}))
    assert sorted(form) == sorted(fact.get("body", {}))
    needed = [name for name in body.get("required", []) if (fact["id"], name) not in FIELDS_BEYOND]
    assert sorted(needed) == sorted(fact.get("required", []))
    headers = set(parameters(operation, "header")) - {"Idempotency-Key"}
    assert sorted(headers) == fact.get("header", [])
    for name, kind in (fact.get("query", {}) | fact.get("body", {})).items():
        schema = (parameters(operation, "query") | form)[name]
        if (fact["id"], name) not in WIDER:
            assert agrees(kind, kinds_of(schema)), (name, kind, schema)


@pytest.mark.parametrize(
    "fact", [fact for fact in OPERATIONS.values() if "model" in fact], ids=lambda f: f["id"]
)
def test_an_answer_has_the_properties_of_its_model(document, described, fact):
    if "model" not in fact:
        assert "content" not in described[fact["id"]]["responses"]["204"]
        return
    properties = properties_of(document, fact, described[fact["id"]])
    model = FACTS["models"][fact["model"]]
    assert sorted(properties) == sorted(model)
    for name, kind in model.items():
        assert agrees(kind, kinds_of(properties[name])), (name, kind, properties[name])


@EACH
def test_an_answer_has_the_status_and_etag_of_the_contract(document, described, fact):
    responses = described[fact["id"]]["responses"]
    assert [status for status in responses if status < "300"] == [str(fact["status"])]
    if fact.get("etag"):
        assert "ETag" in responses[str(fact["status"])]["headers"]


def test_both_reservation_updates_take_every_field(document, described):
    task, worker = (
        body_of(document, described[f"Update{side}Reservation"])["properties"] for side in ("Task", "Worker")
    )
    assert len(task) == 54
    assert set(task) - set(worker) == {"Supervisor", "SupervisorMode"}
    assert set(worker) <= set(task)


def test_the_table_is_complete(document, described, capsys):
    declared = {
        fact["model"]: set(properties_of(document, fact, described[fact["id"]]))
        for fact in OPERATIONS.values()
        if "model" in fact
    }
    facts = [
        (fact["id"], place, name)
        for fact in OPERATIONS.values()
        for place in ("segments", "query", "header", "body")
        for name in fact.get(place, ())
    ]
    found = sum(
        len([p for p in operation["parameters"] if p["name"] != "Idempotency-Key"])
        + len(
            [n for n in body_of(document, operation).get("properties", {}) if (id_, n) not in FIELDS_BEYOND]
        )
        for id_, operation in described.items()
        if id_ in OPERATIONS
    )
    properties = sum(len(model) for model in FACTS["models"].values())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(set(described) & set(OPERATIONS))}/{len(OPERATIONS)} operations, "
            f"{sum(map(len, declared.values()))}/{properties} properties in {len(declared)} models, "
            f"{found}/{len(facts)} parameters\n"
        )
    assert (len(OPERATIONS), len(FACTS["models"]), properties, len(facts)) == (
        61,
        26,
        303,
        100 + 131 + 6 + 174,
    )
    assert {model: set(names) for model, names in FACTS["models"].items()} == declared
    assert found == len(facts)
