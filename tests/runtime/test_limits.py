import pytest

from engine.errors import SettingsError
from engine.runtime.limits import RuntimeLimits


def test_a_write_begun_after_a_missed_renewal_must_end_within_the_lease() -> None:
    with pytest.raises(SettingsError, match="lease_renew_s"):
        RuntimeLimits(lease_ttl_s=10, lease_margin_s=2, lease_renew_s=4, commit_timeout_s=4)
    RuntimeLimits(lease_ttl_s=10, lease_margin_s=2, lease_renew_s=4, commit_timeout_s=3.9)


def test_pauses_before_a_reload_double_up_to_their_limit() -> None:
    limits = RuntimeLimits(reload_backoff_min_s=0.1, reload_backoff_max_s=0.5)
    pauses = [limits.reload_backoff_s(failures) for failures in (0, 1, 2, 3, 4, 10_000)]
    assert pauses == pytest.approx([0, 0.1, 0.2, 0.4, 0.5, 0.5])
