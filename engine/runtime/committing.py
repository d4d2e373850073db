"""The commit of a batch: bounded in time, and noticed when it is slow."""

import time

from engine.logs import get_logger
from engine.ownership import Lease
from engine.runtime.batch import Batch
from engine.runtime.limits import RuntimeLimits
from engine.runtime.patience import within
from engine.runtime.ports import Store

log = get_logger()


async def commit_in_time(store: Store, lease: Lease, batch: Batch, limits: RuntimeLimits) -> float:
    """Write the batch and return how long that took, in seconds.

    Raises Fenced (nothing was written) or StoreUnavailable (unknown, also when time is up).
    """
    began_s = time.perf_counter()
    await within(limits.commit_timeout_s, store.commit(lease, batch.changes))
    took_s = time.perf_counter() - began_s
    if took_s * 1000 > limits.commit_slow_ms:
        log.warning(
            "commit.slow",
            workspace_sid=lease.workspace_sid,
            duration_ms=round(took_s * 1000),
            commands=len(batch.envelopes),
            events=len(batch.changes.events),
        )
    return took_s
