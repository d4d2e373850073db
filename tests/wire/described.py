"""What the OpenAPI document says, in the words of `contract_facts.json`."""

import re
from inspect import Parameter, signature
from typing import Any

from aiohttp import web

from engine.api.app import build_app

Described = dict[str, Any]

_FORM = "application/x-www-form-urlencoded"
_SID = re.compile(r"\^(?:\$\|\^)?\(?([A-Z|]+|\[A-Z\]\{2\})\)?\[0-9a-fA-F\]\{32\}\$")
_TOLD_FORMATS = {"date-time", "uri", "int64"}


def bare_app() -> web.Application:
    """The application with nothing behind its routes."""
    parameters = signature(build_app).parameters.items()
    return build_app(**{name: None for name, given in parameters if given.default is Parameter.empty})


def resolved(document: Described, schema: Described) -> Described:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def segments(path: str) -> list[str]:
    return re.sub(r"\{\w+\}", "{}", path).split("/")


def kinds_of(schema: Described) -> set[str]:
    """The kinds of a schema in the words of the facts; `?` when it may be null."""
    if "anyOf" in schema:
        return set().union(*map(kinds_of, schema["anyOf"]))
    if "$ref" in schema:
        return {"object"}
    types = schema.get("type", "any")
    types = [types] if isinstance(types, str) else types
    null = {"?"} if "null" in types else set()
    return set().union(*(_kinds_of_type(kind, schema) for kind in types if kind != "null")) | null


def _kinds_of_type(kind: str, schema: Described) -> set[str]:
    if kind == "array":
        return {f"{item}[]" for item in kinds_of(schema["items"])} | {"array"}
    if "enum" in schema:
        return {f"={word}" for word in schema["enum"]}
    if kind == "string" and (
        prefixes := re.match(r"\^(?:\$\|\^)?\(?([A-Z|]+)\)?\[0-9", schema.get("pattern", ""))
    ):
        return {f"SID {prefix}" for prefix in prefixes[1].split("|")}
    if kind == "string" and schema.get("pattern", "").startswith("^[A-Z]{2}["):
        return {"SID any"}
    return {schema["format"] if schema.get("format") in {"date-time", "uri", "int64"} else kind}


LOOSER = {
    # What the facts say, and what may stand for it.
    "string": {"SID WK", "SID WQ", "SID WW", "boolean"},
    "integer": {"int64"},
    "int64": {"integer"},
    "uri": {"string"},
    "uri-map": {"object"},
    "any": {"object", "array", "number"},
}


def agrees(fact: str, kinds: set[str]) -> bool:
    """Whether what is described is what the facts say, or tells more of it; null only where they allow it."""
    base = fact.rstrip("?").removesuffix("[]")
    allowed = {f"={word}" for word in base.split("|")} if "|" in base else {base, *LOOSER.get(base, ()), "?"}
    told = {kind.removesuffix("[]") for kind in kinds - {"array"}}
    if base == "string":
        told = {kind for kind in told if not kind.startswith("=")}
    return base == "any" or told <= allowed


def body_of(
    document: Described, operation: Described, media: str = "application/x-www-form-urlencoded"
) -> Described:
    content = operation.get("requestBody", {}).get("content", {})
    return resolved(document, content[media]["schema"]) if media in content else {}


def parameters(operation: Described, place: str) -> dict[str, Described]:
    return {p["name"]: p["schema"] for p in operation["parameters"] if p["in"] == place}
