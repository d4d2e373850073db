"""What one request may hold."""

from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class ApiLimits:
    """The configured limits of requests."""

    request_bytes_max: int = 4_194_304
    request_fields_max: int = 1_000
    bulk_bytes_max: int = 50_331_648
    attributes_chars_max: int = 4_096
    workflow_configuration_bytes_max: int = 1_038_576
