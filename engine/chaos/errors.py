"""What can be expected to go wrong with a run of faults."""

from engine.errors import PointsmanError


class ChaosError(PointsmanError):
    """The faults cannot be done as they were asked for, or the daemon did not come back; says why."""
