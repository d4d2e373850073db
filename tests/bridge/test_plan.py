"""What a worker's client reads when it connects does not cost more with every reservation it ever had."""

from functools import partial

from engine.routing.entities import ReservationStatus
from engine.routing.states import OPEN_RESERVATION
from engine.storage.bridge_reads import BridgeReads
from engine.storage.pool import Database
from tests.support.plans import plans_of, rows_read

WORKSPACE = "WS" + "1" * 32
WORKER = "WK" + "1" * 32
ENDED = 20_000
OPEN = 3

FILL = f"""
    INSERT INTO reservations (
        workspace_sid, sid, sequence, task_sid, worker_sid, task_queue_sid, workflow_sid, task_channel_sid,
        status, timeout_s, deadline_ms, date_created_ms, date_updated_ms, version
    )
    SELECT
        '{WORKSPACE}', 'WR' || lpad(to_hex(n), 32, '0'), n, 'WT' || lpad(to_hex(n), 32, '0'), '{WORKER}',
        NULL, NULL, 'TC1', CASE WHEN n <= {ENDED} THEN 'completed' ELSE 'accepted' END, 120, 0, n, n, 0
    FROM generate_series(1, {ENDED + OPEN}) AS n
"""


async def test_the_open_reservations_of_a_veteran_are_found_by_their_own_index(pools: Database) -> None:
    async with pools.committing() as connection:
        await connection.execute(FILL)
        await connection.execute("ANALYZE reservations")
    statuses: list[ReservationStatus] = sorted(OPEN_RESERVATION)
    read = partial(BridgeReads(pools).offers, WORKSPACE, WORKER, statuses, size=1_000)
    plans = await plans_of(pools, read)
    scans = [scan for plan in plans for scan in plan.scans() if scan["Relation Name"] == "reservations"]
    assert [scan["Index Name"] for scan in scans] == ["reservations_open"]
    assert rows_read(scans[0]) == OPEN
