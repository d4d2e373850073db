"""Many tasks in one request: POST …/Tasks/Bulk, beside the contract."""

import asyncio
from typing import Any

import orjson
from aiohttp import web

from engine.api import answers
from engine.api import representations as render
from engine.api.call import Call
from engine.api.forms import content_type_of, form_of, read_large_body
from engine.api.problems import INTERNAL, ApiError, bad_request, problem, translate
from engine.api.tasks import creation
from engine.errors import PointsmanError
from engine.routing.commands import CreateTask

TASKS_MAX = 10_000
_JSON = {"", "application/json"}
_LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
_READ_AT_ONCE = 250
"""So many tasks are read or written before others get their turn on the event loop."""

Result = dict[str, Any]


async def create_tasks(call: Call) -> web.Response:
    """Create up to TASKS_MAX tasks; answers 200 with the result of each, in their order.

    Raises 400 for a body that is no list of tasks, 413 for one that is too long, 503 when the inbox has no
    room for all of them, or not one became durable.
    """
    raw = await read_large_body(call.request, call.api.limits.bulk_bytes_max)
    items = _items(content_type_of(call.request), raw)
    commands, results = await _read(call, items)
    outcomes = await call.submit_all(list(commands.values())) if commands else []
    _raise_when_nothing_was_done(outcomes)
    place = call.place()
    for number, (index, outcome) in enumerate(zip(commands, outcomes, strict=True)):
        await _give_way(number)
        if isinstance(outcome, BaseException):
            results[index] = _failed(call, index, outcome)
        else:
            results[index] = {"index": index, "status": 201, "task": render.task(place, outcome)}
    return answers.document(summary([results[index] for index in sorted(results)]))


def summary(results: list[Result]) -> dict[str, Any]:
    """Return the answer's document: how many were created, how many failed, and the results."""
    created = sum(result["status"] == 201 for result in results)
    return {"created": created, "failed": len(results) - created, "results": results}


def _items(content_type: str, raw: bytes) -> list[Any]:
    """Take the body apart; in a body of lines a line that is not JSON comes out as the ApiError it causes."""
    if content_type in _LINES:
        items = [_parsed_line(line) for line in raw.split(b"\n") if line.strip()]
    elif content_type in _JSON:
        items = _parsed_list(raw)
    else:
        raise bad_request(f"Content-Type {content_type} is not supported; send application/json")
    if len(items) > TASKS_MAX:
        raise bad_request(f"The request has {len(items)} tasks; at most {TASKS_MAX} are allowed")
    return items


def _parsed_line(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return bad_request(f"The line is not valid JSON: {error}")


def _parsed_list(raw: bytes) -> list[Any]:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"The request body is not valid JSON: {error}") from None
    items = document.get("tasks") if isinstance(document, dict) else document
    if not isinstance(items, list):
        raise bad_request('The request body is neither a list of tasks nor {"tasks": a list}')
    return items


async def _read(call: Call, items: list[Any]) -> tuple[dict[int, CreateTask], dict[int, Result]]:
    """Return the commands of the valid items and the results of the others, both by index."""
    commands: dict[int, CreateTask] = {}
    results: dict[int, Result] = {}
    for index, item in enumerate(items):
        await _give_way(index)
        try:
            commands[index] = _command(call, item)
        except ApiError as error:
            results[index] = _failed(call, index, error)
    return commands, results


def _command(call: Call, item: Any) -> CreateTask:
    if isinstance(item, ApiError):
        raise item
    if not isinstance(item, dict):
        raise bad_request("The task is not a JSON object")
    return creation(call, form_of(item, call.api.limits.request_fields_max))


def _raise_when_nothing_was_done(outcomes: list[Any]) -> None:
    if outcomes and all(isinstance(outcome, PointsmanError) for outcome in outcomes):
        raise outcomes[0]


def _failed(call: Call, index: int, error: BaseException) -> Result:
    known = translate(error, call.request) if isinstance(error, Exception) else None
    answer = known or ApiError(500, INTERNAL, "An internal error occurred")
    return {"index": index, "status": answer.status, "error": problem(answer)}


async def _give_way(number: int) -> None:
    if number % _READ_AT_ONCE == _READ_AT_ONCE - 1:
        await asyncio.sleep(0)
