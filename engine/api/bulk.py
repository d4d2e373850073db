"""Many tasks in one request: POST …/Tasks/Bulk, beside the contract."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from engine.api import answers
from engine.api import representations as render
from engine.api.call import Call
from engine.api.envelopes import BulkResults
from engine.api.forms import content_type_of, form_of, read_large_body
from engine.api.idempotency import fingerprint, key_of
from engine.api.operations import operation
from engine.api.problems import INTERNAL, ApiError, bad_request, problem, translate
from engine.api.tasks import creation
from engine.errors import PointsmanError
from engine.readers import Schema
from engine.routing.commands import CreateTask
from engine.runtime.once import Once, Outcome

TASKS_MAX = 10_000
_JSON = {"", "application/json"}
_LINES = {"application/x-ndjson", "application/ndjson", "application/jsonl"}
_READ_AT_ONCE = 250
"""So many tasks are read or written before others get their turn on the event loop."""

Result = dict[str, Any]

_A_TASK: Schema = {"$ref": "#/components/schemas/CreateTaskBody"}
_TASKS: Schema = {"type": "array", "items": _A_TASK, "maxItems": TASKS_MAX}
_BODIES: dict[str, Schema] = {
    "application/json": {
        "anyOf": [_TASKS, {"type": "object", "properties": {"tasks": _TASKS}, "required": ["tasks"]}]
    },
    "application/x-ndjson": {"type": "string", "description": "A task as a JSON object on each line."},
}


@operation("CreateTaskBulk", answers=BulkResults, bodies=_BODIES, once=True)
async def create_tasks(call: Call) -> web.Response:
    """Create up to TASKS_MAX tasks; answers 200 with the result of each, in their order.

    Raises 400 for a body that is no list of tasks, 413 for one that is too long, 503 when the inbox has no
    room for all of them, or not one became durable.
    """
    raw = await read_large_body(call.request, call.api.limits.bulk_bytes_max)
    items = _items(content_type_of(call.request), raw)
    commands, results = await _read(call, items)
    key = key_of(call.request)
    if key is None:
        outcomes = await call.submit_all(list(commands.values())) if commands else []
        done = dict(zip(commands, outcomes, strict=True))
        _raise_when_nothing_was_done(outcomes)
    else:
        done = await _carry_out_once(call, key, fingerprint(raw), commands, results)
    for number, (index, outcome) in enumerate(done.items()):
        await _give_way(number)
        results[index] = _result(call, index, outcome)
    return answers.document(summary([results[index] for index in sorted(results)]))


async def _carry_out_once(
    call: Call, key: str, print_: bytes, commands: dict[int, CreateTask], results: dict[int, Result]
) -> dict[int, Any]:
    """Carry out the commands that the key has not answered; what it has goes to the results.

    A part of the answer is kept with every batch that took some of the tasks, so that after a failure in
    between a repetition creates those that are missing. Returns the failures of what nothing was kept of.
    """

    def render_part(outcomes: Sequence[Outcome]) -> bytes:
        return orjson.dumps([_result(call, found.index, found.error or found.result) for found in outcomes])

    def remaining(parts: list[bytes]) -> dict[int, CreateTask]:
        results.update(_kept(parts))
        return {index: command for index, command in commands.items() if index not in results}

    once = Once(call.workspace_sid, call.request.path, key, print_, render_part)
    service = call.api.service
    known, done = await service.submit_all_once(call.account_sid, call.workspace_sid, remaining, once)
    if not known:
        _raise_when_nothing_was_done(list(done.values()))
    undone = {index: outcome for index, outcome in done.items() if isinstance(outcome, PointsmanError)}
    results.update((index, result) for index, result in _kept(once.answers).items() if index not in undone)
    return undone


def _kept(parts: list[bytes]) -> dict[int, Result]:
    return {result["index"]: result for part in parts for result in orjson.loads(part)}


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
    return creation(call.api, form_of(item, call.api.limits.request_fields_max))


def _raise_when_nothing_was_done(outcomes: list[Any]) -> None:
    if outcomes and all(isinstance(outcome, PointsmanError) for outcome in outcomes):
        raise outcomes[0]


def _result(call: Call, index: int, outcome: Any) -> Result:
    if isinstance(outcome, BaseException):
        return _failed(call, index, outcome)
    return {"index": index, "status": 201, "task": render.task(call.place(), outcome)}


def _failed(call: Call, index: int, error: BaseException) -> Result:
    known = translate(error, call.request.path) if isinstance(error, Exception) else None
    answer = known or ApiError(500, INTERNAL, "An internal error occurred")
    return {"index": index, "status": answer.status, "error": problem(answer)}


async def _give_way(number: int) -> None:
    if number % _READ_AT_ONCE == _READ_AT_ONCE - 1:
        await asyncio.sleep(0)
