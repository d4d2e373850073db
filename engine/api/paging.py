"""Cursor paging: which page a request asks for, and the envelope that leads to the others (contract §2).

A token is `PA` and the cursor of the last item of the page before, or `PB` and that of the first item of the
page after. For lists in their natural order the cursor is the SID of that item. `Page` is the client's own
count of pages; it selects nothing, and without a token only page 0 can be meant.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from engine.api import answers
from engine.api.call import Call
from engine.api.fields import integer, whole_number
from engine.api.forms import Form
from engine.api.operations import Fields, optional
from engine.api.problems import ABSOLUTE_PAGING, bad_page_token, bad_request
from engine.api.representations import Document, Rendering
from engine.readers import reads
from engine.sids import is_sid
from engine.storage.reads import Page, PageRequest

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 1_000
PAGE_NUMBER_MAX = 2**31 - 1

_FORWARD = "PA"
_BACKWARD = "PB"
_CURSOR = re.compile(r"[A-Za-z0-9_=.~-]{1,512}")


@reads(type="string", pattern=f"^({_FORWARD}|{_BACKWARD}){_CURSOR.pattern}$")
def _page_token(_name: str, value: str) -> str:
    if value[:2] not in {_FORWARD, _BACKWARD} or not _CURSOR.fullmatch(value[2:]):
        raise bad_page_token()
    return value


PAGING = Fields(
    size=optional(
        "PageSize",
        whole_number,
        f"Items on a page; what is below 1 or above {PAGE_SIZE_MAX} is taken as that bound.",
        PAGE_SIZE_DEFAULT,
    ),
    number=optional(
        "Page",
        integer(0, PAGE_NUMBER_MAX),
        "The client's own count of pages. It selects nothing: without PageToken only 0 can be meant.",
        0,
    ),
    token=optional("PageToken", _page_token, "Where the page begins, as the page before or after told it."),
)
"""What every list takes."""

_PAGING_NAMES = {field.name for field in PAGING}


@dataclass(slots=True, frozen=True)
class Paging:
    """The page that a request asks for; `filters` are its other parameters, to be carried along."""

    size: int
    number: int
    token: str | None
    filters: Sequence[tuple[str, str]]

    @classmethod
    def read(cls, query: Form) -> "Paging":
        """Read the paging parameters.

        Raises:
            ApiError: 400 for a number that is none, 40153 for a page without token, 21481 for a bad token.
        """
        size, number, token = PAGING.read(query).values()
        if number and token is None:
            raise bad_request("Page needs the PageToken that came with it", ABSOLUTE_PAGING)
        filters = [pair for pair in query.pairs() if pair[0] not in _PAGING_NAMES]
        return cls(min(max(size, 1), PAGE_SIZE_MAX), number, token, filters)

    def by_sid(self, prefix: str) -> PageRequest:
        """Return the request for a list in the order of its SIDs. Raises 400/21481 for another's token."""
        if self.token is not None and not is_sid(self.token[2:], prefix):
            raise bad_page_token()
        return self.by_cursor()

    def by_cursor(self, order: str | None = None) -> PageRequest:
        """Return the request for a list whose cursors only the store understands."""
        cursor = self.token[2:] if self.token else None
        if self.token and self.token.startswith(_BACKWARD):
            return PageRequest(self.size, before=cursor, order=order)
        return PageRequest(self.size, after=cursor, order=order)

    def answer(
        self, call: Call, key: str, page: Page[Any], rendering: Rendering, *, tagged: bool = False
    ) -> web.Response:
        """Answer a page: the items under `key`, and `meta`; `tagged` adds an ETag."""
        return answers.collection(self.document(call, key, page, rendering), tagged=tagged)

    def document(self, call: Call, key: str, page: Page[Any], rendering: Rendering) -> Document:
        """Return the body of a page: `meta`, and the items under `key`."""
        place = call.place()
        return {
            "meta": self._meta(call, place.root, key, page),
            key: [rendering(place, v) for v in page.items],
        }

    def _meta(self, call: Call, root: str, key: str, page: Page[Any]) -> dict[str, Any]:
        first, previous, this, following = self._urls(f"{root}{call.request.path}", page)
        return {
            "page": self.number,
            "page_size": self.size,
            "first_page_url": first,
            "previous_page_url": previous,
            "url": this,
            "next_page_url": following,
            "key": key,
        }

    def uris(self, path: str, page: Page[Any]) -> dict[str, str | None]:
        """Return the page URIs of a list of the account API: relative to the host, beside the items."""
        first, previous, this, following = self._urls(path, page)
        return {
            "first_page_uri": first,
            "previous_page_uri": previous,
            "uri": this,
            "next_page_uri": following,
        }

    def _urls(self, base: str, page: Page[Any]) -> tuple[str, str | None, str, str | None]:
        """Return the URLs of the first, the previous, this and the next page."""
        before = None if page.previous is None else f"{_BACKWARD}{page.previous}"
        after = None if page.next is None else f"{_FORWARD}{page.next}"
        return (
            self._url(base, 0, None),
            before and self._url(base, max(self.number - 1, 0), before),
            self._url(base, self.number, self.token),
            after and self._url(base, self.number + 1, after),
        )

    def _url(self, base: str, number: int, token: str | None) -> str:
        parameters = [*self.filters, ("PageSize", str(self.size)), ("Page", str(number))]
        if token is not None:
            parameters.append(("PageToken", token))
        return f"{base}?{urlencode(parameters)}"


def empty_page() -> Page[Any]:
    """Return a page without items, for a filter that names something that does not exist."""
    return Page([], None, None)
