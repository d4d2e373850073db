"""The SQL files and the code agree on names and on columns."""

import re
from pathlib import Path

import pytest

from engine.storage import queries, rows
from engine.storage.queries import QueryNamesWrong, known_queries, parse_queries, query, verify

LISTED = {
    "activities": rows.ACTIVITY,
    "task_channels": rows.TASK_CHANNEL,
    "task_queues": rows.TASK_QUEUE,
    "workflows": rows.WORKFLOW,
    "workers": rows.WORKER,
    "worker_channels": rows.WORKER_CHANNEL,
    "tasks": rows.TASK,
    "reservations": rows.RESERVATION,
    "transfers": rows.TRANSFER,
}

WITH_TEXT = {"insert_events": rows.EVENT, "insert_callbacks": rows.CALLBACK}
"""Statements that take a JSON field as text beside the rows."""

MAPPERS = {f"upsert_{table}": mapper for table, mapper in LISTED.items()} | WITH_TEXT
MAPPERS["upsert_workspace"] = rows.WORKSPACE


def test_every_query_is_used_and_every_name_known() -> None:
    verify()


def test_an_unknown_name_fails() -> None:
    with pytest.raises(QueryNamesWrong, match="no_such_query"):
        query("no_such_query")


def test_an_unused_query_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {**known_queries(), "left_over": "SELECT 1"}
    monkeypatch.setattr(queries, "known_queries", lambda: extra)
    with pytest.raises(QueryNamesWrong, match="left_over"):
        verify()


def test_a_query_begins_with_its_name_and_ends_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "some.sql"
    file.write_text("-- about\n\n-- name: one\nSELECT 1;\n\n-- name: two\n-- why\nSELECT\n2\n")
    assert parse_queries(file) == [("one", "SELECT 1"), ("two", "-- why\nSELECT\n2")]


@pytest.mark.parametrize("table", LISTED)
def test_columns_stand_in_the_order_of_the_fields(table: str) -> None:
    """Positions tie values to columns, so a field added to an entity must reach both statements."""
    fields = LISTED[table].fields
    assert columns(known_queries()[f"upsert_{table}"], r"INSERT INTO \w+ \(([^)]*)\)") == [
        "workspace_sid",
        *fields,
    ]
    assert columns(known_queries()[f"load_{table}"], r"SELECT(.*?)FROM") == list(fields)


@pytest.mark.parametrize("name", MAPPERS)
def test_values_are_taken_from_a_row_in_the_order_of_the_columns(name: str) -> None:
    text = known_queries()[name]
    taken = [int(index) for index in re.findall(r"r->>(\d+)", text)]
    listed = columns(text, r"INSERT INTO \w+ \(([^)]*)\)")
    expected = [column for column in listed if column not in {"workspace_sid", "data", "fields"}]
    if name == "upsert_workspace":
        expected.insert(0, "sid")
    assert taken == list(range(len(expected)))
    assert expected == [field for field in MAPPERS[name].fields if field not in MAPPERS[name].json_fields]


def columns(sql: str, pattern: str) -> list[str]:
    match = re.search(pattern, sql, re.DOTALL)
    assert match
    return [name.strip() for name in match[1].split(",")]
