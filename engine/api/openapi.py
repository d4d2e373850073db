"""The OpenAPI 3.1 document, made of what the routes are served with: operations, fields and documents."""

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from engine import __version__
from engine.api import openapi_parts as parts
from engine.api.envelopes import PageMeta, Problem
from engine.api.operations import Field, Fields, Operation, Route, Terms
from engine.api.paging import PAGING
from engine.api.schemas import Schemas
from engine.readers import Schema

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_SOURCE = re.compile(r"\s*\([^()]*§[^()]*\)")
_KEPT_DEFAULTS = (str, int, float, bool)


def describe(routes: Sequence[Route], open_routes: Sequence[Route], terms: Terms) -> dict[str, Any]:
    """Return the document.

    Args:
        routes: what is served to those who sign in.
        open_routes: what is served to anybody.
        terms: what readers depend on, for the bounds of fields.
    """
    return _Description(terms).of(routes, open_routes)


class _Description:
    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._schemas = Schemas()
        self._problem = self._schemas.of(Problem)
        self._tags: dict[str, str] = {}

    def of(self, routes: Sequence[Route], open_routes: Sequence[Route]) -> dict[str, Any]:
        paths: dict[str, dict[str, Any]] = {}
        for route in (*routes, *open_routes):
            path = _PLACEHOLDER.sub(lambda found: f"{{{parts.path_name(found[1])}}}", route.path)
            described = self._operation(route, is_open=route in open_routes)
            paths.setdefault(path, {})[route.method.lower()] = described
        return {
            "openapi": "3.1.0",
            "info": {**parts.INFO, "version": __version__},
            "servers": [{"url": "/"}],
            "security": parts.SECURITY,
            "tags": [{"name": name, "description": about} for name, about in sorted(self._tags.items())],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self._schemas.components.items())),
                "headers": parts.HEADERS,
                "responses": parts.refusals(self._problem),
                "securitySchemes": parts.SECURITY_SCHEMES,
            },
        }

    def _operation(self, route: Route, *, is_open: bool) -> dict[str, Any]:
        operation, is_json = route.operation, route.path.endswith(".json")
        about = _SOURCE.sub("", operation.about)
        described: dict[str, Any] = {
            "operationId": operation.id if is_open or not is_json else f"{operation.id}Json",
            "summary": about.partition("\n")[0],
            "tags": [self._tag(operation)],
            "parameters": self._parameters(route),
            "responses": self._responses(route, is_open=is_open),
        }
        if "\n" in about:
            described["description"] = about
        if is_open:
            described["security"] = []
        body = self._body(operation)
        return described | ({"requestBody": body} if body else {})

    def _tag(self, operation: Operation) -> str:
        module = operation.endpoint.__module__
        name = module.rpartition(".")[2].replace("_", " ").capitalize()
        about = _SOURCE.sub("", import_module(module).__doc__ or "")
        about = about.partition("\n\n")[0]
        self._tags[name] = "" if about.rstrip(".") == name else about
        return name

    def _parameters(self, route: Route) -> list[dict[str, Any]]:
        operation = route.operation
        found = [parts.path_parameter(name) for name in _PLACEHOLDER.findall(route.path)]
        found += [self._query(field) for field in operation.query]
        if operation.lists:
            found += [self._query(field) for field in PAGING]
        if operation.conditional:
            found.append(parts.IF_MATCH)
        if operation.once:
            found.append(parts.IDEMPOTENCY_KEY)
        if operation.resumed:
            found.append(parts.LAST_EVENT_ID)
        return found

    def _query(self, field: Field) -> dict[str, Any]:
        return {
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.about,
            "schema": self._field(field),
        }

    def _field(self, field: Field) -> Schema:
        schema = dict(field.reader_for(self._terms).schema)
        if field.many:
            return {"type": "array", "items": schema}
        if isinstance(field.default, _KEPT_DEFAULTS) and field.default != "":
            schema["default"] = field.default
        return schema

    def _body(self, operation: Operation) -> dict[str, Any] | None:
        if operation.bodies is not None:
            return {"required": True, "content": _content(operation.bodies)}
        if operation.body is None:
            return None
        schema = {"$ref": f"#/components/schemas/{self._form(operation, operation.body)}"}
        needed = any(field.required for field in operation.body)
        bodies = {"application/x-www-form-urlencoded": schema, "application/json": schema}
        return {"required": needed, "content": _content(bodies)}

    def _form(self, operation: Operation, fields: Fields) -> str:
        name = f"{operation.id}Body"
        properties = {f.name: self._field(f) | {"description": f.about} for f in fields}
        schema: Schema = {"type": "object", "properties": properties}
        if needed := [field.name for field in fields if field.required]:
            schema["required"] = needed
        self._schemas.components[name] = schema
        return name

    def _responses(self, route: Route, *, is_open: bool) -> dict[str, Any]:
        operation = route.operation
        answer: dict[str, Any] = {
            "description": parts.DESCRIPTIONS[operation.status],
            "headers": parts.headers_of(operation),
        }
        content = self._answer(operation)
        if content:
            answer["content"] = content
        statuses = operation.refusals if is_open else parts.statuses_of(route)
        refused = {str(status): self._refusal(operation, status, is_open=is_open) for status in statuses}
        return {str(operation.status): answer, **refused}

    def _refusal(self, operation: Operation, status: int, *, is_open: bool) -> dict[str, Any]:
        if is_open and operation.answers is not None and status == 503:
            return {"description": parts.DESCRIPTIONS[503], "content": self._answer(operation)}
        return {"$ref": f"#/components/responses/{status}"}

    def _answer(self, operation: Operation) -> Mapping[str, Any]:
        if operation.media:
            return _content({media: {"type": "string"} for media in operation.media})
        if operation.answers is None:
            return {}
        schema = self._schemas.of(operation.answers)
        if operation.lists:
            schema = self._page(operation, schema)
        return _content({"application/json": schema})

    def _page(self, operation: Operation, item: Schema) -> Schema:
        kind = operation.envelope
        around = {} if kind is None else self._schemas.object_of(kind)["properties"]
        meta = {"meta": self._schemas.of(PageMeta)} if operation.meta else {}
        properties = meta | around | {operation.lists: {"type": "array", "items": item}}
        page: Schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        self._schemas.components[f"{operation.id}Page"] = page
        return {"$ref": f"#/components/schemas/{operation.id}Page"}


def _content(schemas: Mapping[str, Schema]) -> dict[str, Any]:
    return {media: {"schema": schema} for media, schema in schemas.items()}
