-- Everything a batch writes, as the parts of one statement (engine/storage/commit.py):
--
--     WITH lease AS (…), upsert_tasks AS (INSERT …), insert_events AS (INSERT …), … SELECT … FROM lease
--
-- In each part $1 is the workspace; its own parameters count from $2 here and are renumbered there. A part writes
-- only when `lease` has its row. Rows come as one JSON array of arrays of column values: the client makes a batch
-- of it at once, and the server takes it apart for a fifth of what objects or columns of arrays cost.

-- name: lease_held
-- FOR UPDATE: a takeover waits until this batch is committed or gone, and this batch sees a finished takeover.
SELECT workspace_sid FROM workspace_leases WHERE workspace_sid = $1 AND epoch = $2 FOR UPDATE

-- name: lease_to_come
-- A new workspace: what is written here is nobody else's before the transaction that makes its lease is committed.
SELECT $1::text AS workspace_sid

-- name: upsert_workspace
INSERT INTO workspaces (
    workspace_sid, account_sid, friendly_name, event_callback_url, events_filter, multi_task_enabled,
    prioritize_queue_order, default_activity_sid, timeout_activity_sid, date_created_ms, date_updated_ms,
    event_sequence, sequence
)
SELECT
    r->>0, r->>1, r->>2, r->>3, r->>4, (r->>5)::boolean, r->>6, r->>7, r->>8, (r->>9)::bigint,
    (r->>10)::bigint, (r->>11)::bigint, (r->>12)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    event_callback_url = excluded.event_callback_url,
    events_filter = excluded.events_filter,
    multi_task_enabled = excluded.multi_task_enabled,
    prioritize_queue_order = excluded.prioritize_queue_order,
    default_activity_sid = excluded.default_activity_sid,
    timeout_activity_sid = excluded.timeout_activity_sid,
    date_updated_ms = excluded.date_updated_ms,
    event_sequence = excluded.event_sequence,
    sequence = excluded.sequence

-- name: upsert_activities
INSERT INTO activities (
    workspace_sid,
    sid, friendly_name, available, date_created_ms, date_updated_ms
)
SELECT
    $1, r->>0, r->>1, (r->>2)::boolean, (r->>3)::bigint, (r->>4)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    date_updated_ms = excluded.date_updated_ms

-- name: upsert_task_channels
INSERT INTO task_channels (
    workspace_sid,
    sid, unique_name, friendly_name, channel_optimized_routing, date_created_ms, date_updated_ms
)
SELECT
    $1, r->>0, r->>1, r->>2, (r->>3)::boolean, (r->>4)::bigint, (r->>5)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    channel_optimized_routing = excluded.channel_optimized_routing,
    date_updated_ms = excluded.date_updated_ms

-- name: upsert_task_queues
INSERT INTO task_queues (
    workspace_sid,
    sid, friendly_name, target_workers, max_reserved_workers, task_order, reservation_activity_sid,
    assignment_activity_sid, date_created_ms, date_updated_ms
)
SELECT
    $1, r->>0, r->>1, r->>2, (r->>3)::bigint, r->>4, r->>5, r->>6, (r->>7)::bigint, (r->>8)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    target_workers = excluded.target_workers,
    max_reserved_workers = excluded.max_reserved_workers,
    task_order = excluded.task_order,
    reservation_activity_sid = excluded.reservation_activity_sid,
    assignment_activity_sid = excluded.assignment_activity_sid,
    date_updated_ms = excluded.date_updated_ms

-- name: upsert_workflows
INSERT INTO workflows (
    workspace_sid,
    sid, friendly_name, configuration, configuration_version, assignment_callback_url,
    fallback_assignment_callback_url, task_reservation_timeout_s, date_created_ms, date_updated_ms
)
SELECT
    $1, r->>0, r->>1, r->>2, (r->>3)::bigint, r->>4, r->>5, (r->>6)::bigint, (r->>7)::bigint, (r->>8)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    configuration = excluded.configuration,
    configuration_version = excluded.configuration_version,
    assignment_callback_url = excluded.assignment_callback_url,
    fallback_assignment_callback_url = excluded.fallback_assignment_callback_url,
    task_reservation_timeout_s = excluded.task_reservation_timeout_s,
    date_updated_ms = excluded.date_updated_ms

-- name: upsert_workers
INSERT INTO workers (
    workspace_sid,
    sid, sequence, friendly_name, activity_sid, attributes, date_created_ms, date_updated_ms,
    date_status_changed_ms, version, last_reserved_ms, last_reserved_sequence
)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2, r->>3, r->>4, (r->>5)::bigint, (r->>6)::bigint, (r->>7)::bigint,
    (r->>8)::bigint, (r->>9)::bigint, (r->>10)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    friendly_name = excluded.friendly_name,
    activity_sid = excluded.activity_sid,
    attributes = excluded.attributes,
    date_updated_ms = excluded.date_updated_ms,
    date_status_changed_ms = excluded.date_status_changed_ms,
    version = excluded.version,
    last_reserved_ms = excluded.last_reserved_ms,
    last_reserved_sequence = excluded.last_reserved_sequence

-- name: upsert_worker_channels
INSERT INTO worker_channels (
    workspace_sid,
    sid, worker_sid, task_channel_sid, configured_capacity, available, date_created_ms, date_updated_ms,
    last_reserved_ms, last_reserved_sequence
)
SELECT
    $1, r->>0, r->>1, r->>2, (r->>3)::bigint, (r->>4)::boolean, (r->>5)::bigint, (r->>6)::bigint,
    (r->>7)::bigint, (r->>8)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    configured_capacity = excluded.configured_capacity,
    available = excluded.available,
    date_updated_ms = excluded.date_updated_ms,
    last_reserved_ms = excluded.last_reserved_ms,
    last_reserved_sequence = excluded.last_reserved_sequence

-- name: upsert_tasks
INSERT INTO tasks (
    workspace_sid,
    sid, sequence, status, attributes, addons, priority, reason, timeout_s, task_channel_sid,
    workflow_sid, workflow_version, task_queue_sid, routing_target, ignore_capacity, virtual_start_ms,
    date_created_ms, date_updated_ms, task_queue_entered_ms, date_assigned_ms, date_finished_ms, version,
    entry_filter_index, filter_index, target_index, filter_entered_ms, step_deadline_ms,
    skip_if_open, assignment_count
)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2, r->>3, r->>4, (r->>5)::bigint, r->>6, (r->>7)::bigint, r->>8, r->>9,
    (r->>10)::bigint, r->>11, r->>12, (r->>13)::boolean, (r->>14)::bigint, (r->>15)::bigint, (r->>16)::bigint,
    (r->>17)::bigint, (r->>18)::bigint, (r->>19)::bigint, (r->>20)::bigint, (r->>21)::bigint,
    (r->>22)::bigint, (r->>23)::bigint, (r->>24)::bigint, (r->>25)::bigint, (r->>26)::boolean,
    (r->>27)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    status = excluded.status,
    attributes = excluded.attributes,
    addons = excluded.addons,
    priority = excluded.priority,
    reason = excluded.reason,
    task_channel_sid = excluded.task_channel_sid,
    workflow_sid = excluded.workflow_sid,
    workflow_version = excluded.workflow_version,
    task_queue_sid = excluded.task_queue_sid,
    routing_target = excluded.routing_target,
    ignore_capacity = excluded.ignore_capacity,
    virtual_start_ms = excluded.virtual_start_ms,
    date_updated_ms = excluded.date_updated_ms,
    task_queue_entered_ms = excluded.task_queue_entered_ms,
    date_assigned_ms = excluded.date_assigned_ms,
    date_finished_ms = excluded.date_finished_ms,
    version = excluded.version,
    entry_filter_index = excluded.entry_filter_index,
    filter_index = excluded.filter_index,
    target_index = excluded.target_index,
    filter_entered_ms = excluded.filter_entered_ms,
    step_deadline_ms = excluded.step_deadline_ms,
    skip_if_open = excluded.skip_if_open,
    assignment_count = excluded.assignment_count

-- name: upsert_reservations
INSERT INTO reservations (
    workspace_sid,
    sid, sequence, task_sid, worker_sid, task_queue_sid, workflow_sid, task_channel_sid, status,
    timeout_s, deadline_ms, date_created_ms, date_updated_ms, version, worker_previous_activity_sid,
    canceled_reason_code, transfer_sid
)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2, r->>3, r->>4, r->>5, r->>6, r->>7, (r->>8)::bigint, (r->>9)::bigint,
    (r->>10)::bigint, (r->>11)::bigint, (r->>12)::bigint, r->>13, (r->>14)::bigint, r->>15
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    task_queue_sid = excluded.task_queue_sid,
    workflow_sid = excluded.workflow_sid,
    task_channel_sid = excluded.task_channel_sid,
    status = excluded.status,
    timeout_s = excluded.timeout_s,
    deadline_ms = excluded.deadline_ms,
    date_updated_ms = excluded.date_updated_ms,
    version = excluded.version,
    worker_previous_activity_sid = excluded.worker_previous_activity_sid,
    canceled_reason_code = excluded.canceled_reason_code

-- name: upsert_transfers
INSERT INTO transfers (
    workspace_sid,
    sid, sequence, task_sid, initiating_reservation_sid, initiating_worker_sid, initiating_queue_sid,
    initiating_workflow_sid, to_sid, mode, status, date_created_ms, date_updated_ms, failed_reason, priority,
    version
)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2, r->>3, r->>4, r->>5, r->>6, r->>7, r->>8, r->>9, (r->>10)::bigint,
    (r->>11)::bigint, r->>12, (r->>13)::bigint, (r->>14)::bigint
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, sid) DO UPDATE SET
    status = excluded.status,
    date_updated_ms = excluded.date_updated_ms,
    failed_reason = excluded.failed_reason,
    version = excluded.version

-- name: keep_workflow_configurations
-- A version never changes its text: saving a workflow for another reason meets the row that is there.
INSERT INTO workflow_configurations (workspace_sid, workflow_sid, version, configuration)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2
FROM jsonb_array_elements($2::jsonb) AS r
WHERE EXISTS (SELECT FROM lease)
ON CONFLICT (workspace_sid, workflow_sid, version) DO NOTHING

-- name: insert_events
-- `data` goes beside the rows, not in them, as lines of text: parsing it would cost more than all the rest.
INSERT INTO events (
    workspace_sid,
    sid, sequence, event_type, event_date_ms, description, resource_type, resource_sid, actor_type,
    actor_sid, task_sid, worker_sid, reservation_sid, task_queue_sid, workflow_sid, task_channel_sid, data
)
SELECT
    $1, r->>0, (r->>1)::bigint, r->>2, (r->>3)::bigint, r->>4, r->>5, r->>6, r->>7, r->>8, r->>9, r->>10,
    r->>11, r->>12, r->>13, r->>14, data
FROM ROWS FROM (jsonb_array_elements($2::jsonb), string_to_table($3, E'\n')) AS e (r, data)
WHERE EXISTS (SELECT FROM lease)

-- name: insert_callbacks
INSERT INTO assignment_callbacks (
    workspace_sid,
    reservation_sid, task_sid, worker_sid, workflow_sid, url, fallback_url, date_created_ms, fields
)
SELECT $1, r->>0, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::bigint, fields
FROM ROWS FROM (jsonb_array_elements($2::jsonb), string_to_table($3, E'\n')) AS c (r, fields)
WHERE EXISTS (SELECT FROM lease)

-- name: delete_callbacks
DELETE FROM assignment_callbacks
WHERE workspace_sid = $1 AND reservation_sid = ANY($2::text[]) AND EXISTS (SELECT FROM lease)

-- name: committed
-- The end of the statement: a row tells that the lease was held and everything was written.
SELECT 0 AS kept FROM lease

-- name: committed_keys
-- The same with idempotency keys: a key that was used meanwhile is missing in the count.
SELECT (SELECT count(*) FROM insert_idempotency_keys) AS kept FROM lease

-- What follows are statements of their own, after that one in the same transaction: they may touch the same rows.

-- name: delete_callbacks_of_tasks
DELETE FROM assignment_callbacks WHERE workspace_sid = $1 AND task_sid = ANY($2::text[])

-- name: mark_workspace_deleted
-- Its children are purged later, in batches.
UPDATE workspaces SET date_deleted_ms = $2 WHERE workspace_sid = $1

-- name: delete_callbacks_of_workspace
DELETE FROM assignment_callbacks WHERE workspace_sid = $1

-- name: mark_tasks_deleted
UPDATE tasks SET date_deleted_ms = $3 WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: mark_reservations_of_tasks_deleted
UPDATE reservations SET date_deleted_ms = $3 WHERE workspace_sid = $1 AND task_sid = ANY($2::text[])

-- name: delete_worker_channels_of_workers
DELETE FROM worker_channels WHERE workspace_sid = $1 AND worker_sid = ANY($2::text[])

-- name: delete_worker_channels_of_task_channels
DELETE FROM worker_channels WHERE workspace_sid = $1 AND task_channel_sid = ANY($2::text[])

-- name: delete_activities
DELETE FROM activities WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_task_channels
DELETE FROM task_channels WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_task_queues
DELETE FROM task_queues WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_workflows
DELETE FROM workflows WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_workers
DELETE FROM workers WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_worker_channels
DELETE FROM worker_channels WHERE workspace_sid = $1 AND sid = ANY($2::text[])

-- name: delete_reservations
DELETE FROM reservations WHERE workspace_sid = $1 AND sid = ANY($2::text[])
