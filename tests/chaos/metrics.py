"""What a daemon tells of itself at /metrics."""

import urllib.request
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(slots=True, frozen=True)
class Metrics:
    """One reading."""

    values: dict[str, float]
    commit_buckets: tuple[tuple[float, float], ...]

    def value(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return self.values.get(name, 0.0)


def read(url: str) -> Metrics:
    """Ask a daemon."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    values: dict[str, float] = {}
    buckets = []
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            values[sample.name] = values.get(sample.name, 0.0) + sample.value
            if sample.name == "pointsman_commit_seconds_bucket":
                buckets.append((float(sample.labels["le"]), sample.value))
    return Metrics(values, tuple(buckets))


def commits_between(before: Metrics, after: Metrics) -> dict[str, float]:
    """How many commits there were, their mean, and the bucket of their 99th percentile."""
    count = after.value("pointsman_commit_seconds_count") - before.value("pointsman_commit_seconds_count")
    total_s = after.value("pointsman_commit_seconds_sum") - before.value("pointsman_commit_seconds_sum")
    earlier = dict(before.commit_buckets)
    below = [(bound, number - earlier.get(bound, 0.0)) for bound, number in after.commit_buckets]
    p99_s = next((bound for bound, number in below if number >= 0.99 * count), float("inf"))
    return {
        "commits": count,
        "mean_ms": round(1000 * total_s / count, 1) if count else 0.0,
        "p99_at_most_ms": round(1000 * p99_s, 1) if count and p99_s != float("inf") else 0.0,
    }
