"""What makes a value of a field's text, and says in JSON Schema which texts it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Schema = dict[str, Any]
"""A schema of JSON Schema 2020-12."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True, frozen=True, eq=False)
class Reader(Generic[T_co]):
    """Takes a field's name and text, returns its value or raises an ApiError of status 400.

    `schema` describes what the text spells: a field of a form is text, whatever its type.
    """

    read: Callable[[str, str], T_co]
    schema: Schema

    def __call__(self, name: str, text: str) -> T_co:
        """Return the value of a text; the name is for the message."""
        return self.read(name, text)


def reads(**schema: Any) -> Callable[[Callable[[str, str], T]], Reader[T]]:
    """Make a Reader of a function, with the schema of what it takes."""
    return lambda read: Reader(read, schema)
