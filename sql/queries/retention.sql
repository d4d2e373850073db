-- What the retention removes. Each statement takes a bounded number of rows ($2), so locks stay short.
-- Batches are picked by key and removed by key: a plain DELETE knows no LIMIT.

-- name: pick_finished_tasks
SELECT workspace_sid, sid FROM tasks WHERE date_finished_ms < $1 ORDER BY date_finished_ms LIMIT $2

-- name: pick_deleted_tasks
SELECT workspace_sid, sid FROM tasks WHERE date_deleted_ms <= $1 ORDER BY date_deleted_ms LIMIT $2

-- name: purge_reservations
DELETE FROM reservations AS r
USING unnest($1::text[], $2::text[]) AS gone (workspace_sid, task_sid)
WHERE r.workspace_sid = gone.workspace_sid AND r.task_sid = gone.task_sid

-- name: purge_transfers
DELETE FROM transfers AS tt
USING unnest($1::text[], $2::text[]) AS gone (workspace_sid, task_sid)
WHERE tt.workspace_sid = gone.workspace_sid AND tt.task_sid = gone.task_sid

-- name: purge_tasks
DELETE FROM tasks AS t
USING unnest($1::text[], $2::text[]) AS gone (workspace_sid, sid)
WHERE t.workspace_sid = gone.workspace_sid AND t.sid = gone.sid

-- name: purge_configurations
DELETE FROM workflow_configurations AS c
WHERE NOT EXISTS (
        SELECT FROM workflows AS w
        WHERE w.workspace_sid = c.workspace_sid
            AND w.sid = c.workflow_sid
            AND w.configuration_version = c.version
    )
    AND NOT EXISTS (
        SELECT FROM tasks AS t
        WHERE t.workspace_sid = c.workspace_sid
            AND t.workflow_sid = c.workflow_sid
            AND t.workflow_version = c.version
            AND t.date_finished_ms IS NULL
            AND t.date_deleted_ms IS NULL
    )

-- name: purge_default_events
DELETE FROM events_default
WHERE (workspace_sid, event_date_ms, sequence) IN (
    SELECT workspace_sid, event_date_ms, sequence FROM events_default WHERE event_date_ms < $1 LIMIT $2
)

-- name: purge_default_event_deliveries
DELETE FROM event_deliveries_default
WHERE (workspace_sid, event_date_ms, sequence) IN (
    SELECT workspace_sid, event_date_ms, sequence FROM event_deliveries_default WHERE event_date_ms < $1 LIMIT $2
)

-- name: purge_default_alerts
DELETE FROM alerts_default
WHERE (workspace_sid, date_ms, sid) IN (
    SELECT workspace_sid, date_ms, sid FROM alerts_default WHERE date_ms < $1 LIMIT $2
)

-- name: purge_default_statistics_counts
DELETE FROM statistics_counts_default
WHERE (workspace_sid, scope_sid, span_ms, start_ms, task_channel_sid) IN (
    SELECT workspace_sid, scope_sid, span_ms, start_ms, task_channel_sid
    FROM statistics_counts_default
    WHERE start_ms < $1
    LIMIT $2
)

-- name: purge_default_statistics_durations
DELETE FROM statistics_durations_default
WHERE (workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid) IN (
    SELECT workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid
    FROM statistics_durations_default
    WHERE start_ms < $1
    LIMIT $2
)

-- name: purge_log_positions
-- Those of workspaces that are gone, with all of their events.
DELETE FROM log_positions AS p
WHERE NOT EXISTS (SELECT FROM workspaces AS w WHERE w.workspace_sid = p.workspace_sid)
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.workspace_sid = p.workspace_sid)

-- name: purge_desk_links
DELETE FROM desk_links
WHERE (workspace_sid, digest) IN (SELECT workspace_sid, digest FROM desk_links WHERE expires_ms <= $1 LIMIT $2)

-- name: purge_desk_sessions
DELETE FROM desk_sessions
WHERE (workspace_sid, digest) IN (SELECT workspace_sid, digest FROM desk_sessions WHERE expires_ms <= $1 LIMIT $2)

-- name: deleted_workspaces
-- Those that still have events to deliver stay: their row says whereto.
SELECT w.workspace_sid FROM workspaces AS w
WHERE w.date_deleted_ms <= $1
    AND (
        w.event_callback_url = ''
        OR NOT EXISTS (SELECT FROM event_deliveries AS d WHERE d.workspace_sid = w.workspace_sid AND d.status = 'pending')
    )
ORDER BY w.date_deleted_ms

-- name: purge_workspace_row
DELETE FROM workspaces WHERE workspace_sid = $1 AND date_deleted_ms IS NOT NULL

-- name: purge_workspace_reservations
DELETE FROM reservations
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM reservations WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_transfers
DELETE FROM transfers
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM transfers WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_tasks
DELETE FROM tasks
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM tasks WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_callbacks
DELETE FROM assignment_callbacks
WHERE workspace_sid = $1
    AND reservation_sid IN (SELECT reservation_sid FROM assignment_callbacks WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_worker_channels
DELETE FROM worker_channels
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM worker_channels WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_workers
DELETE FROM workers
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM workers WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_configurations
DELETE FROM workflow_configurations
WHERE workspace_sid = $1
    AND (workflow_sid, version) IN (SELECT workflow_sid, version FROM workflow_configurations WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_workflows
DELETE FROM workflows
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM workflows WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_task_queues
DELETE FROM task_queues
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM task_queues WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_task_channels
DELETE FROM task_channels
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM task_channels WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_activities
DELETE FROM activities
WHERE workspace_sid = $1
    AND sid IN (SELECT sid FROM activities WHERE workspace_sid = $1 LIMIT $2)

-- name: purge_workspace_leases
DELETE FROM workspace_leases
WHERE workspace_sid = $1
    AND workspace_sid IN (SELECT workspace_sid FROM workspace_leases WHERE workspace_sid = $1 LIMIT $2)
