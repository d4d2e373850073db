-- Alerts. Columns stand in the order of the fields.

-- name: insert_alerts
INSERT INTO alerts (
    sid, workspace_sid, date_ms, code, level, alert_text, url, task_sid, worker_sid, reservation_sid, workflow_sid,
    event_sid, occurrences
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::text[], $13::bigint[]
)
ON CONFLICT (workspace_sid, date_ms, sid) DO NOTHING

-- name: select_alerts
SELECT
    sid, workspace_sid, date_ms, code, level, alert_text, url, task_sid, worker_sid, reservation_sid, workflow_sid,
    event_sid, occurrences
FROM alerts
WHERE workspace_sid = $1
    AND date_ms >= $2
    AND date_ms <= $3
    AND ($4::bigint IS NULL OR code = $4)
    AND ($5::text IS NULL OR level = $5)
    AND ($6::text IS NULL OR task_sid = $6)
    AND ($7::text IS NULL OR worker_sid = $7)
    AND ($8::text IS NULL OR reservation_sid = $8)
    AND ($9::text IS NULL OR workflow_sid = $9)
    {page}
