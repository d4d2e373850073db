"""JSON Schema of the types of documents."""

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from engine.api.kinds import Facets
from engine.readers import Schema

_PLACE = "#/components/schemas/"
_PLAIN: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {},
}


class Schemas:
    """Schemas of types, each TypedDict among the components by its name."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type: a reference for a TypedDict.

        Raises:
            TypeError: documents hold no such type.
        """
        if is_typeddict(kind):
            return self._component(kind)
        origin, arguments = get_origin(kind), get_args(kind)
        if origin is Annotated:
            return self._annotated(*arguments)
        if origin in (Union, UnionType):
            return self._nullable(arguments)
        if origin in (list, dict):
            return self._of_many(origin, arguments[-1])
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return {"type": "string", "enum": [member.value for member in kind]}
        if kind not in _PLAIN:
            raise TypeError(f"documents hold no {kind}")
        return dict(_PLAIN[kind])

    def object_of(self, kind: Any) -> Schema:
        """Return the schema of a TypedDict itself: exactly its properties."""
        hints = {name: _bare(hint) for name, hint in get_type_hints(kind, include_extras=True).items()}
        properties = {name: self.of(hint) for name, hint in hints.items()}
        required = [name for name in hints if name in kind.__required_keys__]
        return {
            "type": "object",
            "description": kind.__doc__,
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _component(self, kind: Any) -> Schema:
        name = kind.__name__
        if name not in self.components:
            self.components[name] = self.object_of(kind)
        return {"$ref": f"{_PLACE}{name}"}

    def _of_many(self, container: type, kind: Any) -> Schema:
        if container is list:
            return {"type": "array", "items": self.of(kind)}
        return {"type": "object", "additionalProperties": self.of(kind)}

    def _annotated(self, kind: Any, *notes: Any) -> Schema:
        schema = self.of(kind)
        for note in notes:
            if isinstance(note, Facets):
                schema = schema | note.schema
        return schema

    def _nullable(self, kinds: tuple[Any, ...]) -> Schema:
        (kind,) = (kind for kind in kinds if kind is not NoneType)
        schema = self.of(kind)
        if set(schema) == {"$ref"}:
            return {"anyOf": [schema, {"type": "null"}]}
        return schema | {"type": [schema["type"], "null"]}


def _bare(hint: Any) -> Any:
    """Return a hint without NotRequired, which is told by the list of required properties."""
    return get_args(hint)[0] if get_origin(hint) is NotRequired else hint
