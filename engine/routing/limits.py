"""The limits of the routing core, each with its unit in its name and its reason."""

from dataclasses import dataclass

EXPRESSION_LENGTH_MAX = 65_536
"""Characters of one expression: reading that many takes about 0.3 s, and the workspace waits meanwhile."""


@dataclass(slots=True, frozen=True)
class RoutingLimits:
    """Numbers the core decides by; the settings supply them (behaviour §11)."""

    activities_max: int = 100
    assignment_count_max: int = 1_000
    assigned_s_max: int = 86_400
    finished_task_retention_s: int = 300
    refusal_backoff_base_ms: int = 1_000
    refusal_backoff_max_ms: int = 60_000
    idle_classes_max: int = 4_096
    """Eligibility classes without waiting tasks that are kept for the next task of their kind."""
    bindings_per_target_max: int = 16_384
    """Bound expressions remembered per target: attributes that differ in every task must not fill memory."""
    attributes_chars_max: int = 4_096
    """Longest attributes that a merge may end in; what is sent as a whole is measured before it gets here."""
    ready_scan_max: int = 64
    """Up to so many ready workers are compared directly; beyond, the idle line is walked instead."""
