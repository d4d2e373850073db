"""Policies of capability tokens: which calls their holder may make (clients §4.2).

A policy names a URL pattern, a method, whether it allows, and filters of query and form parameters. Scheme
and host of the URL do not matter: tokens name the hosted service. In the path `*` stands for one segment,
`**` for one or more. At the end of a collection's path `/**` also covers reading the collection itself,
because default worker tokens list their reservations by `…/Reservations/**`; behind a SID it covers only
what is below.

Creating many tasks at once is judged as creating tasks: who may not POST to `…/Tasks` may not POST to
`…/Tasks/Bulk` either, though `…/Tasks/**` covers its path. A policy may also name `Bulk` itself. The tasks of
such a body are not looked into, so that a rule with a filter of the form does not allow it.

A call is allowed when some policy allows it and none that matches denies it, in whatever order they stand.
A filter that is not empty names all parameters that may be sent, and which of them must be.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from engine.api.access import Asked, split_path
from engine.api.forms import Form

POLICIES_MAX = 100
"""Most policies in one token."""
SPANS_MAX = 4
"""Most `**` in one pattern: each may be tried at every segment."""

_SID = re.compile(r"[A-Z]{2}[0-9a-fA-F]{32}")
_PAGING = frozenset({"Page", "PageSize", "PageToken"})


class BadPolicies(ValueError):
    """The token's policies are not what policies look like."""


@dataclass(slots=True, frozen=True)
class PathPattern:
    """The path of a policy's URL, by segments."""

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, url: str) -> "PathPattern":
        """Read a URL or a bare path. Raises BadPolicies."""
        try:
            path = urlsplit(url).path
        except ValueError:
            raise BadPolicies("a policy's url is not a URL") from None
        segments = split_path(path)
        if segments.count("**") > SPANS_MAX:
            raise BadPolicies(f"a policy's url has more than {SPANS_MAX} times **")
        return cls(segments)

    def matches(self, segments: tuple[str, ...], *, reading: bool) -> bool:
        """Tell whether a path is covered; `reading` says that the call only reads."""
        if _matches(self.segments, segments):
            return True
        return reading and self._is_below_collection() and _matches(self.segments[:-1], segments)

    def _is_below_collection(self) -> bool:
        if len(self.segments) < 2 or self.segments[-1] != "**":
            return False
        owner = self.segments[-2]
        return owner not in {"*", "**"} and not _SID.fullmatch(owner)


def _matches(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    for i, wanted in enumerate(pattern):
        if wanted == "**":
            rest = pattern[i + 1 :]
            return any(_matches(rest, path[end:]) for end in range(i + 1, len(path) + 1))
        if i >= len(path) or wanted not in ("*", path[i]):
            return False
    return len(pattern) == len(path)


@dataclass(slots=True, frozen=True)
class Filter:
    """Names of parameters that may be sent (none given: all), of which `required` must be."""

    known: frozenset[str]
    required: frozenset[str]

    @classmethod
    def parse(cls, document: Any) -> "Filter":
        """Read `{"Name": {"required": true}, …}`. Raises BadPolicies."""
        if document is None:
            document = {}
        if not isinstance(document, dict):
            raise BadPolicies("a policy's filter is not an object")
        for requirement in document.values():
            if not isinstance(requirement, dict) or not isinstance(requirement.get("required", False), bool):
                raise BadPolicies('a policy\'s filter holds something else than {"required": true or false}')
        required = frozenset(name for name, requirement in document.items() if requirement.get("required"))
        return cls(frozenset(document), required)

    def passes(self, form: Form) -> bool:
        """Tell whether the parameters may be sent."""
        if not self.known:
            return True
        sent = frozenset(form.names())
        return self.required <= sent and sent - _PAGING <= self.known


@dataclass(slots=True, frozen=True)
class Policy:
    """One rule."""

    pattern: PathPattern
    method: str
    allow: bool
    query: Filter
    post: Filter

    @classmethod
    def parse(cls, document: Any) -> "Policy":
        """Read one object of the token. Raises BadPolicies."""
        if not isinstance(document, dict):
            raise BadPolicies("a policy is not an object")
        url, method = document.get("url"), document.get("method")
        if not isinstance(url, str) or not isinstance(method, str):
            raise BadPolicies("a policy needs url and method")
        allow = document.get("allow", False)
        if not isinstance(allow, bool):
            raise BadPolicies("a policy's allow is neither true nor false")
        query, post = Filter.parse(document.get("query_filter")), Filter.parse(document.get("post_filter"))
        return cls(PathPattern.parse(url), method.upper(), allow, query, post)

    def addresses(self, asked: Asked) -> bool:
        """Tell whether the rule is about this method, path and query."""
        return self.method == asked.method and self._covers(asked) and self.query.passes(asked.query)

    def _covers(self, asked: Asked) -> bool:
        segments, reading = asked.segments, asked.method == "GET"
        if not _is_bulk(asked):
            return self.pattern.matches(segments, reading=reading)
        if self.pattern.matches(segments[:-1], reading=reading):
            return True
        by_name = not self.allow or self.pattern.segments[-1:] == segments[-1:]
        return by_name and self.pattern.matches(segments, reading=reading)


@dataclass(slots=True, frozen=True)
class PolicyGrant:
    """What a capability token allows."""

    policies: tuple[Policy, ...]

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "PolicyGrant":
        """Read the claim `policies`. Raises BadPolicies."""
        documents = claims.get("policies")
        if not isinstance(documents, list) or len(documents) > POLICIES_MAX:
            raise BadPolicies(f"policies is not a list of at most {POLICIES_MAX}")
        return cls(tuple(map(Policy.parse, documents)))

    async def permits(self, asked: Asked, _reads: object = None) -> bool:
        """Tell whether a policy allows the request and none denies it, which no row has a part in."""
        matching = [policy for policy in self.policies if policy.addresses(asked)]
        if _is_bulk(asked):
            matching = [policy for policy in matching if not (policy.allow and policy.post.known)]
        elif any(policy.post.known for policy in matching):
            form = await asked.form()
            matching = [policy for policy in matching if policy.post.passes(form)]
        return bool(matching) and all(policy.allow for policy in matching)


def _is_bulk(asked: Asked) -> bool:
    return asked.method == "POST" and asked.segments[-2:] == ("Tasks", "Bulk")
