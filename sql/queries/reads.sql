-- What the API reads: committed rows, with the names that go with their SIDs. Columns stand in the order of
-- the view's fields. An absent filter is NULL; the read pool plans with the values, so it costs nothing then.
-- {page} is filled with "AND <beyond the cursor> ORDER BY <keys> LIMIT <n>", or with "AND <sid> = $n" for one row;
-- {order} with the same ORDER BY where an outer query has to keep the order; {rows} with another query.
-- Names of other rows are subqueries, not joins: a page looks up its own and never reads the other table.

-- name: select_workspaces
SELECT
    w.workspace_sid, w.account_sid, w.friendly_name, w.event_callback_url, w.events_filter,
    w.multi_task_enabled, w.prioritize_queue_order,
    w.default_activity_sid,
    (
        SELECT a.friendly_name
        FROM activities AS a
        WHERE a.workspace_sid = w.workspace_sid AND a.sid = w.default_activity_sid
    ),
    w.timeout_activity_sid,
    (
        SELECT a.friendly_name
        FROM activities AS a
        WHERE a.workspace_sid = w.workspace_sid AND a.sid = w.timeout_activity_sid
    ),
    w.date_created_ms, w.date_updated_ms
FROM workspaces AS w
WHERE w.account_sid = $1
    AND w.date_deleted_ms IS NULL
    AND ($2::text IS NULL OR w.friendly_name = $2)
    {page}

-- name: select_activities
SELECT a.sid, a.friendly_name, a.available, a.date_created_ms, a.date_updated_ms
FROM activities AS a
WHERE a.workspace_sid = $1
    AND ($2::text IS NULL OR a.friendly_name = $2)
    AND ($3::boolean IS NULL OR a.available = $3)
    {page}

-- name: select_task_channels
SELECT c.sid, c.unique_name, c.friendly_name, c.channel_optimized_routing, c.date_created_ms, c.date_updated_ms
FROM task_channels AS c
WHERE c.workspace_sid = $1
    {page}

-- name: select_task_queues
SELECT
    q.sid, q.friendly_name, q.target_workers, q.max_reserved_workers, q.task_order,
    q.reservation_activity_sid,
    (SELECT a.friendly_name FROM activities AS a WHERE a.workspace_sid = $1 AND a.sid = q.reservation_activity_sid),
    q.assignment_activity_sid,
    (SELECT a.friendly_name FROM activities AS a WHERE a.workspace_sid = $1 AND a.sid = q.assignment_activity_sid),
    q.date_created_ms, q.date_updated_ms
FROM task_queues AS q
WHERE q.workspace_sid = $1
    AND ($2::text IS NULL OR q.friendly_name = $2)
    {page}

-- name: select_workflows
SELECT
    w.sid, w.friendly_name, w.configuration, w.assignment_callback_url, w.fallback_assignment_callback_url,
    w.task_reservation_timeout_s, w.date_created_ms, w.date_updated_ms
FROM workflows AS w
WHERE w.workspace_sid = $1
    AND ($2::text IS NULL OR w.friendly_name = $2)
    {page}

-- name: select_workers
-- $2 is the activity, $3 are several of them: only a single one has its workers in their order.
SELECT
    w.sid, w.friendly_name, w.activity_sid,
    COALESCE(
        (SELECT a.friendly_name FROM activities AS a WHERE a.workspace_sid = $1 AND a.sid = w.activity_sid), ''
    ),
    COALESCE(
        (SELECT a.available FROM activities AS a WHERE a.workspace_sid = $1 AND a.sid = w.activity_sid), false
    ),
    w.attributes, w.date_created_ms, w.date_updated_ms, w.date_status_changed_ms, w.version
FROM workers AS w
WHERE w.workspace_sid = $1
    AND ($2::text IS NULL OR w.activity_sid = $2)
    AND ($3::text[] IS NULL OR w.activity_sid = ANY($3))
    AND ($4::text IS NULL OR w.friendly_name = $4)
    {page}

-- name: activity_sids
SELECT a.sid
FROM activities AS a
WHERE a.workspace_sid = $1
    AND ($2::text IS NULL OR a.friendly_name = $2)
    AND ($3::text IS NULL OR a.sid = $3)
    AND ($4::boolean IS NULL OR a.available = $4)
ORDER BY a.sid

-- name: select_worker_channels
-- The counts come from the open reservations themselves, so they cannot drift.
SELECT
    wc.sid, wc.worker_sid, wc.task_channel_sid, c.unique_name, wc.configured_capacity, wc.available,
    r.accepted, r.open, wc.date_created_ms, wc.date_updated_ms, wc.last_reserved_ms
FROM worker_channels AS wc
JOIN task_channels AS c ON c.workspace_sid = $1 AND c.sid = wc.task_channel_sid
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE r.status = 'accepted') AS accepted, count(*) AS open
    FROM reservations AS r
    WHERE r.workspace_sid = $1
        AND r.worker_sid = wc.worker_sid
        AND r.task_channel_sid = wc.task_channel_sid
        AND r.status IN ('pending', 'accepted', 'wrapping')
        AND r.date_deleted_ms IS NULL
) AS r
WHERE wc.workspace_sid = $1
    AND wc.worker_sid = $2
    {page}

-- name: select_tasks
SELECT
    t.sid, t.status, t.attributes, t.addons, t.priority, t.reason, t.timeout_s,
    t.task_channel_sid,
    COALESCE(
        (SELECT c.unique_name FROM task_channels AS c WHERE c.workspace_sid = $1 AND c.sid = t.task_channel_sid),
        ''
    ),
    t.workflow_sid,
    (SELECT w.friendly_name FROM workflows AS w WHERE w.workspace_sid = $1 AND w.sid = t.workflow_sid),
    t.task_queue_sid,
    (SELECT q.friendly_name FROM task_queues AS q WHERE q.workspace_sid = $1 AND q.sid = t.task_queue_sid),
    t.routing_target, t.ignore_capacity, t.virtual_start_ms,
    t.task_queue_entered_ms, t.date_created_ms, t.date_updated_ms, t.version
FROM (
    {rows}
) AS t
{order}

-- name: pick_tasks
-- $2: a finished task is shown while it finished after this moment. The priority is compared negated because
-- its index is.
SELECT t.*
FROM tasks AS t
WHERE t.workspace_sid = $1
    AND t.date_deleted_ms IS NULL
    AND (t.date_finished_ms IS NULL OR t.date_finished_ms > $2)
    AND ($3::bigint IS NULL OR (-t.priority) = (-$3))
    AND ($4::text IS NULL OR t.workflow_sid = $4)
    AND ($5::text IS NULL OR t.task_queue_sid = $5)
    AND ($6::text IS NULL OR t.routing_target = $6)
    AND ($7::boolean IS NULL OR (t.addons <> '{}') = $7)
    AND ($8::text[] IS NULL OR t.status = ANY($8))
    {page}

-- name: pick_tasks_by_status
-- In the order of SIDs, one walk per status, merged: never more rows than statuses times page. It goes by
-- tasks_by_status, or by the index of the queue or workflow, where the status stands before the SID as well.
-- BETWEEN and the status in the inner order leave the planner no other index, however wrong its statistics are
-- about a column that changes all the time.
SELECT t.*
FROM unnest($8::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT t.*
    FROM tasks AS t
    WHERE t.workspace_sid = $1
        AND t.status BETWEEN wanted.status AND wanted.status
        AND t.date_deleted_ms IS NULL
        AND (t.date_finished_ms IS NULL OR t.date_finished_ms > $2)
        AND ($3::bigint IS NULL OR (-t.priority) = (-$3))
        AND ($4::text IS NULL OR t.workflow_sid = $4)
        AND ($5::text IS NULL OR t.task_queue_sid = $5)
        AND ($6::text IS NULL OR t.routing_target = $6)
        AND ($7::boolean IS NULL OR (t.addons <> '{}') = $7)
        {page}
) AS t
{order}
LIMIT $9

-- name: select_reservations
-- A reservation is visible as long as its task is; $2 as for the tasks.
SELECT
    r.sid, r.task_sid, r.worker_sid,
    COALESCE((SELECT w.friendly_name FROM workers AS w WHERE w.workspace_sid = $1 AND w.sid = r.worker_sid), ''),
    r.status, r.date_created_ms, r.date_updated_ms, r.version,
    r.transfer_sid
FROM reservations AS r
JOIN tasks AS t
    ON t.workspace_sid = $1
    AND t.sid = r.task_sid
    AND t.date_deleted_ms IS NULL
    AND (t.date_finished_ms IS NULL OR t.date_finished_ms > $2)
WHERE r.workspace_sid = $1
    AND r.date_deleted_ms IS NULL
    AND ($3::text IS NULL OR r.task_sid = $3)
    AND ($4::text IS NULL OR r.worker_sid = $4)
    AND ($5::text IS NULL OR r.status = $5)
    {page}

-- name: select_transfers
-- Visible as long as their task is; $2 as for the tasks.
SELECT
    tt.sid, tt.task_sid, tt.initiating_reservation_sid, tt.initiating_worker_sid, tt.initiating_queue_sid,
    tt.initiating_workflow_sid, tt.to_sid, tt.mode, tt.status, tt.date_created_ms, tt.date_updated_ms,
    tt.failed_reason, tt.priority, tt.version
FROM transfers AS tt
JOIN tasks AS t
    ON t.workspace_sid = $1
    AND t.sid = tt.task_sid
    AND t.date_deleted_ms IS NULL
    AND (t.date_finished_ms IS NULL OR t.date_finished_ms > $2)
WHERE tt.workspace_sid = $1
    AND tt.task_sid = $3
    AND ($4::text IS NULL OR tt.status = $4)
    {page}

-- name: select_events
-- The dates cut away the partitions of other days.
SELECT
    e.sid, e.sequence, e.event_type, e.event_date_ms, e.description, e.resource_type, e.resource_sid,
    e.actor_type, e.actor_sid, e.data
FROM events AS e
WHERE e.workspace_sid = $1
    AND e.event_date_ms >= $2
    AND e.event_date_ms <= $3
    AND ($4::text IS NULL OR e.event_type = $4)
    AND ($5::text IS NULL OR e.reservation_sid = $5)
    AND ($6::text IS NULL OR e.task_queue_sid = $6)
    AND ($7::text IS NULL OR e.task_sid = $7)
    AND ($8::text IS NULL OR e.worker_sid = $8)
    AND ($9::text IS NULL OR e.workflow_sid = $9)
    AND ($10::text IS NULL OR e.task_channel_sid = $10)
    AND ($11::text IS NULL OR e.sid = $11)
    {page}

-- name: workflow_sids_by_name
SELECT sid FROM workflows WHERE workspace_sid = $1 AND friendly_name = $2 ORDER BY sid

-- name: task_queue_sids_by_name
SELECT sid FROM task_queues WHERE workspace_sid = $1 AND friendly_name = $2 ORDER BY sid
