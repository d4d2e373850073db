"""One way to call the official Python client, whether it is the synchronous or the asynchronous one.

The operations and their arguments are read off the client itself, so that what it can do is what is tested.
"""

import importlib
import inspect
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import twilio.rest.taskrouter.v1 as taskrouter

VERBS = ("create", "fetch", "update", "delete", "list")
_PAGING = {"self", "limit", "page_size"}

Operation = tuple[str, str]
"""Module and class of a resource, and the verb."""


def known_operations() -> dict[Operation, set[str]]:
    """Every operation of the client with the names of its arguments, without those of paging."""
    return {
        (_name(resource), verb): set(inspect.signature(getattr(resource, verb)).parameters) - _PAGING
        for resource in _resources()
        for verb in VERBS
        if hasattr(resource, verb)
    }


def _resources() -> Iterator[type]:
    for module in pkgutil.walk_packages(taskrouter.__path__, taskrouter.__name__ + "."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.endswith(("List", "Context")) and getattr(value, "__module__", "") == module.name:
                yield value


def _name(resource: type) -> str:
    return f"{resource.__module__.removeprefix(taskrouter.__name__ + '.')}.{resource.__name__}"


@dataclass
class Calls:
    """Calls methods of the client, and keeps which operations were called with which arguments.

    Only calls that succeed are kept.
    """

    asynchronous: bool
    made: dict[Operation, set[str]] = field(default_factory=lambda: defaultdict(set))

    async def __call__(self, resource: Any, verb: str, **arguments: Any) -> Any:
        """Call an operation; one of a list returns its items."""
        result = await self.method(resource, verb, **arguments)
        self.made[_name(type(resource)), verb] |= set(arguments) - _PAGING
        return result

    async def method(self, resource: Any, name: str, *positional: Any, **arguments: Any) -> Any:
        """Call any method by its synchronous name."""
        if self.asynchronous:
            return await getattr(resource, f"{name}_async")(*positional, **arguments)
        return getattr(resource, name)(*positional, **arguments)

    def flag(self, value: bool) -> bool | str:
        """Return a boolean for an argument that is text to the client: it writes it with a capital.

        The asynchronous one cannot.
        """
        return str(value) if self.asynchronous else value

    async def streamed(self, resource: Any, **arguments: Any) -> list[Any]:
        """Read a stream to its end."""
        if self.asynchronous:
            return [item async for item in await resource.stream_async(**arguments)]
        return list(resource.stream(**arguments))

    async def next_page(self, page: Any) -> Any:
        """Return the page after this one."""
        return await (page.next_page_async() if self.asynchronous else _ready(page.next_page()))

    async def listed(self, resource: Any, *expected: str, **filters: Any) -> list[Any]:
        """List a resource in every way the client has; each must find the SIDs expected, in their order.

        Without `expected` there has to be something, the same in every way.
        """
        items = await self(resource, "list", **filters)
        sids = [_sid(item) for item in items]
        assert sids == list(expected) if expected else sids, (filters, sids)
        assert [_sid(item) for item in await self(resource, "list", limit=5_000, **filters)] == sids
        assert [_sid(item) for item in await self(resource, "list", limit=1, **filters)] == sids[:1]
        assert [_sid(item) for item in await self(resource, "list", page_size=1, **filters)] == sids
        streamed = await self.streamed(resource, page_size=1, limit=len(sids) + 1, **filters)
        assert [_sid(item) for item in streamed] == sids
        assert await self._paged(resource, filters) == sids
        return items

    async def _paged(self, resource: Any, filters: dict[str, Any]) -> list[str]:
        """Walk over pages of one item: by URL, by token, and by the page itself."""
        page = await self.method(resource, "page", page_size=1, **filters)
        assert page.previous_page_url is None
        found = [_sid(item) for item in page]
        while page.next_page_url is not None:
            fetched = await self.method(resource, "get_page", page.next_page_url)
            again = await self.method(resource, "page", page_size=1, **_token(page.next_page_url), **filters)
            page = await self.next_page(page)
            found += (step := [_sid(item) for item in page])
            assert [_sid(item) for item in fetched] == [_sid(item) for item in again] == step
            assert page.previous_page_url is not None
        return found


def _token(url: str) -> dict[str, str]:
    query = parse_qs(urlsplit(url).query)
    return {"page_token": query["PageToken"][0], "page_number": query["Page"][0]}


def _sid(item: Any) -> str:
    return str(item.sid if hasattr(item, "sid") else item.task_queue_sid)


async def _ready(value: Any) -> Any:
    return value
