"""What must hold in the database after any crash, asked in SQL."""

from collections import Counter

import asyncpg

TASKS = "SELECT sid, status FROM tasks WHERE workspace_sid = $1"
TWO_ACCEPTED = """
    SELECT task_sid FROM reservations
    WHERE workspace_sid = $1 AND status IN ('accepted', 'wrapping', 'completed')
    GROUP BY task_sid HAVING count(*) > 1
"""
ACCEPTED_TWICE = """
    SELECT task_sid FROM events
    WHERE workspace_sid = $1 AND event_type = 'reservation.accepted'
    GROUP BY task_sid HAVING count(*) > 1
"""
LOG = """
    SELECT count(*) AS lines, count(DISTINCT sequence) AS numbers,
           min(sequence) AS first, max(sequence) AS last
    FROM events WHERE workspace_sid = $1
"""


OFFERS = """
    SELECT r.sid, r.status, c.reservation_sid IS NOT NULL AS open
    FROM reservations AS r
    LEFT JOIN assignment_callbacks AS c ON c.workspace_sid = r.workspace_sid AND c.reservation_sid = r.sid
    WHERE r.workspace_sid = $1
"""


async def audit_offers(dsn: str, workspace_sid: str, offered: list[tuple[int, str]]) -> None:
    """Compare the reservations with their assignment callbacks: (number of the daemon's start, SID)."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = {row["sid"]: row for row in await connection.fetch(OFFERS, workspace_sid)}
    finally:
        await connection.close()
    sent = Counter(sid for _, sid in offered)
    assert sent.keys() - rows.keys() == set(), "a callback was sent for what was never committed"
    lost = {sid for sid, row in rows.items() if sid not in sent and not row["open"]}
    assert lost == set(), "the callbacks of these were never sent, and will not be"
    assert [sid for sid, row in rows.items() if row["open"] and row["status"] != "pending"] == []
    assert [each for each, times in Counter(offered).items() if times > 1] == [], "sent twice by one start"


async def audit(dsn: str, workspace_sid: str, created: set[str], completed: set[str]) -> None:
    """Compare the rows with what was acknowledged."""
    connection = await asyncpg.connect(dsn)
    try:
        tasks = await connection.fetch(
            "SELECT sid, status FROM tasks WHERE workspace_sid = $1", workspace_sid
        )
        status = {row["sid"]: row["status"] for row in tasks}
        assert created - status.keys() == set(), "acknowledged tasks are missing"
        assert {sid for sid in completed if status[sid] != "completed"} == set(), "completions were lost"
        assert await connection.fetch(TWO_ACCEPTED, workspace_sid) == []
        assert await connection.fetch(ACCEPTED_TWICE, workspace_sid) == []
        log = await connection.fetchrow(LOG, workspace_sid)
        assert (log["first"], log["numbers"]) == (1, log["lines"])
        assert log["last"] == log["lines"], "the event log has a gap"
        counter = "SELECT event_sequence FROM workspaces WHERE workspace_sid = $1"
        assert await connection.fetchval(counter, workspace_sid) == log["last"]
    finally:
        await connection.close()
