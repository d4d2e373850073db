"""What is told of a request when it is over: its time, a line of the log, and what failed unexpectedly."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from prometheus_client import Histogram

from engine import metrics
from engine.api.problems import INTERNAL, ApiError, translate
from engine.errors import forget_tracebacks
from engine.logs import debugging, get_logger

log = get_logger()

_NOTHING: Mapping[str, Any] = {}


def account(
    method: str, route: str, status: int, duration_s: float, context: Mapping[str, Any] = _NOTHING
) -> None:
    """Count an answered request and log it.

    Args:
        method: of HTTP.
        route: the path with its placeholders.
        status: of the answer.
        duration_s: from the head of the request to the answer.
        context: what is logged with it, when it is not bound to the log already.
    """
    _seconds(method, route, status).observe(duration_s)
    if debugging():
        duration_ms = round(duration_s * 1000, 3)
        log.debug(
            "request.answered", **context, method=method, route=route, status=status, duration_ms=duration_ms
        )


def refusal_of(error: Exception, method: str, path: str, context: Mapping[str, Any] = _NOTHING) -> ApiError:
    """Return the answer to a failed request; an unexpected failure is logged and becomes a 500.

    The error's tracebacks are dropped, as `translate` drops those of known ones.
    """
    known = translate(error, path)
    if known is not None:
        return known
    log.error("request.failed", **context, method=method, path=path, exc_info=error)
    forget_tracebacks(error)
    return ApiError(500, INTERNAL, "An internal error occurred")


@lru_cache(maxsize=4_096)
def _seconds(method: str, route: str, status: int) -> Histogram:
    """Return the histogram with these labels, whose look-up takes longer than the observation."""
    return metrics.REQUEST_SECONDS.labels(method, route, status)
