"""What can be expected to go wrong with a benchmark."""

from engine.errors import PointsmanError


class BenchError(PointsmanError):
    """The benchmark cannot be run as it was asked for; the message says why."""
