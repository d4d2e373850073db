-- What the loader reads of one workspace, in one snapshot. Columns stand in the order of the entity's fields.

-- name: load_workspace
SELECT
    workspace_sid, account_sid, friendly_name, event_callback_url, events_filter, multi_task_enabled,
    prioritize_queue_order, default_activity_sid, timeout_activity_sid, date_created_ms, date_updated_ms,
    event_sequence, sequence
FROM workspaces
WHERE workspace_sid = $1 AND date_deleted_ms IS NULL

-- name: load_activities
SELECT
    sid, friendly_name, available, date_created_ms, date_updated_ms
FROM activities
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_task_channels
SELECT
    sid, unique_name, friendly_name, channel_optimized_routing, date_created_ms, date_updated_ms
FROM task_channels
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_task_queues
SELECT
    sid, friendly_name, target_workers, max_reserved_workers, task_order, reservation_activity_sid,
    assignment_activity_sid, date_created_ms, date_updated_ms
FROM task_queues
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_workflows
SELECT
    sid, friendly_name, configuration, configuration_version, assignment_callback_url,
    fallback_assignment_callback_url, task_reservation_timeout_s, date_created_ms, date_updated_ms
FROM workflows
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_workers
SELECT
    sid, sequence, friendly_name, activity_sid, attributes, date_created_ms, date_updated_ms,
    date_status_changed_ms, version, last_reserved_ms, last_reserved_sequence
FROM workers
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_worker_channels
SELECT
    sid, worker_sid, task_channel_sid, configured_capacity, available, date_created_ms, date_updated_ms,
    last_reserved_ms, last_reserved_sequence
FROM worker_channels
WHERE workspace_sid = $1
ORDER BY sid

-- name: load_tasks
SELECT
    sid, sequence, status, attributes, addons, priority, reason, timeout_s, task_channel_sid,
    workflow_sid, workflow_version, task_queue_sid, routing_target, ignore_capacity, virtual_start_ms,
    date_created_ms, date_updated_ms, task_queue_entered_ms, date_assigned_ms, date_finished_ms, version,
    entry_filter_index, filter_index, target_index, filter_entered_ms, step_deadline_ms,
    skip_if_open, assignment_count
FROM tasks
WHERE workspace_sid = $1 AND date_finished_ms IS NULL AND date_deleted_ms IS NULL
ORDER BY sid

-- name: load_reservations
SELECT
    sid, sequence, task_sid, worker_sid, task_queue_sid, workflow_sid, task_channel_sid, status,
    timeout_s, deadline_ms, date_created_ms, date_updated_ms, version, worker_previous_activity_sid,
    canceled_reason_code, transfer_sid
FROM reservations
WHERE workspace_sid = $1
    AND status IN ('pending', 'accepted', 'wrapping') AND date_deleted_ms IS NULL
ORDER BY sid

-- name: load_transfers
-- All of the open tasks: a transfer that is over still answers why it cannot be canceled.
SELECT
    sid, sequence, task_sid, initiating_reservation_sid, initiating_worker_sid, initiating_queue_sid,
    initiating_workflow_sid, to_sid, mode, status, date_created_ms, date_updated_ms, failed_reason,
    priority, version
FROM transfers
WHERE workspace_sid = $1
    AND task_sid IN (
        SELECT t.sid FROM tasks AS t
        WHERE t.workspace_sid = $1 AND t.date_finished_ms IS NULL AND t.date_deleted_ms IS NULL
    )
ORDER BY sid

-- name: load_configurations
-- The current versions, and those that the open tasks named by $2 and $3 go by.
SELECT c.workflow_sid, c.version, c.configuration
FROM workflow_configurations AS c
JOIN workflows AS w ON w.workspace_sid = c.workspace_sid AND w.sid = c.workflow_sid
WHERE c.workspace_sid = $1 AND c.version = w.configuration_version
UNION
SELECT c.workflow_sid, c.version, c.configuration
FROM unnest($2::text[], $3::bigint[]) AS wanted (workflow_sid, version)
JOIN workflow_configurations AS c
    ON c.workspace_sid = $1 AND c.workflow_sid = wanted.workflow_sid AND c.version = wanted.version

-- name: load_callbacks
SELECT
    reservation_sid, task_sid, worker_sid, workflow_sid, url, fallback_url, date_created_ms, fields
FROM assignment_callbacks
WHERE workspace_sid = $1
ORDER BY reservation_sid

-- name: load_last_event
-- No partition is scanned: each gives the end of its key.
SELECT coalesce(max(event_date_ms), 0) FROM events WHERE workspace_sid = $1

-- name: finished_task
SELECT
    sid, sequence, status, attributes, addons, priority, reason, timeout_s, task_channel_sid,
    workflow_sid, workflow_version, task_queue_sid, routing_target, ignore_capacity, virtual_start_ms,
    date_created_ms, date_updated_ms, task_queue_entered_ms, date_assigned_ms, date_finished_ms, version,
    entry_filter_index, filter_index, target_index, filter_entered_ms, step_deadline_ms,
    skip_if_open, assignment_count
FROM tasks
WHERE workspace_sid = $1 AND sid = $2 AND date_finished_ms > $3 AND date_deleted_ms IS NULL

-- name: any_reservation
SELECT
    sid, sequence, task_sid, worker_sid, task_queue_sid, workflow_sid, task_channel_sid, status,
    timeout_s, deadline_ms, date_created_ms, date_updated_ms, version, worker_previous_activity_sid,
    canceled_reason_code, transfer_sid
FROM reservations
WHERE workspace_sid = $1 AND sid = $2 AND date_deleted_ms IS NULL

-- name: any_transfer
SELECT
    tt.sid, tt.sequence, tt.task_sid, tt.initiating_reservation_sid, tt.initiating_worker_sid,
    tt.initiating_queue_sid, tt.initiating_workflow_sid, tt.to_sid, tt.mode, tt.status, tt.date_created_ms,
    tt.date_updated_ms, tt.failed_reason, tt.priority, tt.version
FROM transfers AS tt
JOIN tasks AS t ON t.workspace_sid = $1 AND t.sid = tt.task_sid AND t.date_deleted_ms IS NULL
WHERE tt.workspace_sid = $1 AND tt.sid = $2

-- name: workspace_sids
SELECT workspace_sid FROM workspaces WHERE date_deleted_ms IS NULL ORDER BY workspace_sid
