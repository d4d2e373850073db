"""What a token allows: the request as it is judged, and who is asking.

A grant judges a request by its route and its parameters, never by the HTTP request itself, so that a call
that arrives in another envelope is judged by the same rules.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote

from engine.api.forms import Form
from engine.storage.reads import Reads


@dataclass(slots=True, frozen=True)
class Asked:
    """A request to be judged.

    `template` is the route's path with its placeholders, `names` what they stand for, `path` the raw path
    (escapes kept), `query` the query parameters; `form` reads the fields of the body when they are needed.
    """

    method: str
    template: str
    path: str
    names: Mapping[str, str]
    query: Form
    form: Callable[[], Awaitable[Form]]

    @property
    def segments(self) -> tuple[str, ...]:
        """The decoded segments of the path; a decoded slash stays inside its segment."""
        return split_path(self.path)


class Grant(Protocol):
    """What a token allows."""

    async def permits(self, asked: Asked, reads: Reads, /) -> bool:
        """Tell whether the request is allowed. May raise what reading the body or the rows raises."""


@dataclass(slots=True, frozen=True)
class Principal:
    """Who is asking.

    `account_sid` is the account acted for; `signed_by` the account or API key whose secret proved it, by
    which rates are limited; `grant` is None for secrets themselves, which may do everything in the account.
    """

    account_sid: str
    signed_by: str
    grant: Grant | None = None

    @property
    def is_account(self) -> bool:
        """Whether this is the account itself, by its auth token."""
        return self.grant is None and self.signed_by == self.account_sid


def split_path(path: str) -> tuple[str, ...]:
    """Return the decoded segments of a raw path, without the leading and trailing slash."""
    return tuple(unquote(segment) for segment in path.strip("/").split("/"))
