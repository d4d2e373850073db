"""Rate limits: a token bucket per account or API key, off unless configured.

Three limits can be set: of all requests of one key; of each kind of list that is filtered by an expression;
of bulk statistics (contract §10). The last two are counted per account. Limits are this process's own:
several nodes admit as many times more.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.api.access import Asked, Principal
from engine.api.problems import too_many_requests

BUCKETS_MAX = 10_000
EXPRESSION_FILTERS = ("EvaluateTaskAttributes", "TargetWorkersExpression", "EvaluateWorkerAttributes")
_BULK = "/v1/Workspaces/{WS}/TaskQueues/RealTimeStatistics"

Headers = dict[str, str]


@dataclass(slots=True, frozen=True)
class RateLimits:
    """The configured rates; 0 is no limit. `rate_limit_burst_requests` 0 is one second's worth."""

    rate_limit_requests_per_s: float = 0.0
    rate_limit_burst_requests: int = 0
    rate_limit_filtered_lists_per_s: float = 0.0
    rate_limit_bulk_statistics_per_s: float = 0.0


@dataclass(slots=True)
class Bucket:
    """A bucket of `size` tokens that fills with `rate_per_s`; it starts full."""

    rate_per_s: float
    size: int
    filled_s: float
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = float(self.size)

    def take(self, now_s: float) -> float:
        """Take a token; returns 0, or the seconds until there is one again."""
        gained = max(0.0, now_s - self.filled_s) * self.rate_per_s
        self.tokens = min(float(self.size), self.tokens + gained)
        self.filled_s = max(now_s, self.filled_s)
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.rate_per_s


class RateLimiter:
    """Counts requests.

    Args:
        limits: the rates.
        clock_s: seconds that never go back.
    """

    def __init__(self, limits: RateLimits, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock_s = clock_s
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self.enabled = bool(
            limits.rate_limit_requests_per_s
            or limits.rate_limit_filtered_lists_per_s
            or limits.rate_limit_bulk_statistics_per_s
        )
        """Whether there is anything to count."""

    def admit(self, principal: Principal, asked: Asked, headers: Headers) -> None:
        """Count a request and put the state of the most special limit that applies into `headers`.

        Raises:
            ApiError: 429/20429 with Retry-After, in whole seconds, when a limit is reached.
        """
        limits = self._limits
        if limits.rate_limit_requests_per_s:
            rate, burst = limits.rate_limit_requests_per_s, limits.rate_limit_burst_requests
            self._take(("requests", principal.signed_by), rate, burst, headers)
        if limits.rate_limit_filtered_lists_per_s:
            for name in EXPRESSION_FILTERS:
                if asked.method == "GET" and asked.query.all(name)[-1:] not in ([], [""]):
                    key = (f"{name} lists", principal.account_sid)
                    self._take(key, limits.rate_limit_filtered_lists_per_s, 0, headers)
        if limits.rate_limit_bulk_statistics_per_s and asked.template == _BULK:
            key = ("bulk statistics", principal.account_sid)
            self._take(key, limits.rate_limit_bulk_statistics_per_s, 0, headers)

    def _take(self, key: tuple[str, str], rate_per_s: float, burst: int, headers: Headers) -> None:
        now_s = self._clock_s()
        size = burst or max(1, math.ceil(rate_per_s))
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(rate_per_s, size, now_s)
            # The one asked for longest ago is full again, or its owner has gone.
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        wait_s = bucket.take(now_s)
        told = f"{rate_per_s:g} {key[0]} per second, burst {size}"
        headers |= {
            "X-Rate-Limit-Limit": str(size),
            "X-Rate-Limit-Remaining": str(int(bucket.tokens)),
            "X-Rate-Limit-Config": told,
        }
        if wait_s:
            raise too_many_requests(told, math.ceil(wait_s))
