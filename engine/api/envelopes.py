"""Documents around and beside the resources, as types: pages, errors, API keys, results of many."""

from typing import NotRequired, TypedDict

from engine.api.documents import Task
from engine.api.kinds import Count, ErrorStatus, KeySid, PageSize, PageUri, Url


class PageMeta(TypedDict):
    """Where a page stands in its list (contract §2)."""

    page: Count
    page_size: PageSize
    first_page_url: Url
    previous_page_url: Url | None
    url: Url
    next_page_url: Url | None
    key: str


class Problem(TypedDict):
    """An error (contract §11)."""

    code: int
    message: str
    more_info: Url
    status: ErrorStatus


class ApiKey(TypedDict):
    """An API key; its dates are those of RFC 2822."""

    sid: KeySid
    friendly_name: str
    date_created: str
    date_updated: str


class NewApiKey(ApiKey):
    """An API key with its secret, which is told this once."""

    secret: str


class ApiKeyPage(TypedDict):
    """Where a page of API keys stands: relative to the host, beside the items."""

    first_page_uri: PageUri
    previous_page_uri: PageUri | None
    uri: PageUri
    next_page_uri: PageUri | None
    page: Count
    page_size: Count
    start: Count
    end: Count


class BulkResult(TypedDict):
    """What became of one of many tasks: the task, or what was wrong."""

    index: Count
    status: int
    task: NotRequired[Task]
    error: NotRequired[Problem]


class BulkResults(TypedDict):
    """What became of many tasks, in their order."""

    created: Count
    failed: Count
    results: list[BulkResult]


class Replay(TypedDict):
    """How many events are delivered again."""

    deliveries: Count


class Health(TypedDict):
    """Whether the daemon lives, or is ready."""

    status: str
