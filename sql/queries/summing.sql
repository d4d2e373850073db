-- How the log is added up into rollups, in the background.

-- name: add_log_positions
-- Of deleted workspaces too: their events stay for a while.
INSERT INTO log_positions (workspace_sid, event_sequence, summed_until_ms, redacted_ms, redacted_sequence)
SELECT w.workspace_sid, 0, 0, 0, 0
FROM workspaces AS w
WHERE NOT EXISTS (SELECT FROM log_positions AS p WHERE p.workspace_sid = w.workspace_sid)
ON CONFLICT (workspace_sid) DO NOTHING

-- name: workspaces_to_sum_up
-- Those whose log has grown since it was last looked at.
SELECT w.workspace_sid
FROM workspaces AS w
JOIN log_positions AS p ON p.workspace_sid = w.workspace_sid
WHERE w.date_deleted_ms IS NULL AND p.event_sequence <> w.event_sequence
ORDER BY w.workspace_sid

-- name: lock_log_position
-- SKIP LOCKED: whoever has it does the work, so there is nothing to wait for.
SELECT p.summed_until_ms, p.redacted_ms, p.redacted_sequence, w.event_sequence
FROM log_positions AS p
LEFT JOIN workspaces AS w ON w.workspace_sid = p.workspace_sid
WHERE p.workspace_sid = $1
FOR UPDATE OF p SKIP LOCKED

-- name: move_summed_until
UPDATE log_positions SET summed_until_ms = $2, event_sequence = $3 WHERE workspace_sid = $1

-- name: log_ends
-- The first event from $2 on and the last of all, by the ends of the partitions' keys.
SELECT
    (SELECT min(event_date_ms) FROM events WHERE workspace_sid = $1 AND event_date_ms >= $2) AS first_ms,
    (SELECT max(event_date_ms) FROM events WHERE workspace_sid = $1 AND event_date_ms >= $2) AS last_ms

-- name: sum_up_minutes
-- The minutes from $2 to before $3, each of which is added up this once. The rules come from
-- engine/routing/rollups.py: which event type ($4, $7) counts in which scope ($5, $8) as what ($6, $9).
WITH told AS MATERIALIZED (
    SELECT
        e.event_date_ms / 60000 * 60000 AS start_ms,
        e.event_type,
        e.task_queue_sid,
        e.workflow_sid,
        e.worker_sid,
        coalesce(e.task_channel_sid, '') AS task_channel_sid,
        CASE WHEN e.event_type IN ('reservation.accepted', 'task.canceled') THEN e.data::json ->> 'task_age' END
            AS task_age,
        CASE WHEN e.event_type = 'reservation.accepted' THEN e.data::json ->> 'task_age_in_queue' END
            AS task_age_in_queue,
        CASE e.event_type
            WHEN 'worker.activity.update' THEN e.data::json ->> 'worker_previous_activity_sid'
            WHEN 'worker.deleted' THEN e.data::json ->> 'worker_activity_sid'
        END AS activity_sid,
        CASE e.event_type
            WHEN 'worker.activity.update' THEN e.data::json ->> 'worker_time_in_previous_activity_ms'
            WHEN 'worker.deleted' THEN e.data::json ->> 'worker_time_in_activity_ms'
        END AS time_in_activity_ms
    FROM events AS e
    WHERE e.workspace_sid = $1 AND e.event_date_ms >= $2 AND e.event_date_ms < $3 AND e.event_type = ANY($10::text[])
),
scoped AS (
    SELECT told.*, s.scope, s.scope_sid
    FROM told
    CROSS JOIN LATERAL (
        VALUES ('workspace', $1), ('queue', task_queue_sid), ('workflow', workflow_sid), ('worker', worker_sid)
    ) AS s (scope, scope_sid)
    WHERE s.scope_sid IS NOT NULL
),
counted AS (
    INSERT INTO statistics_counts (
        workspace_sid, scope_sid, span_ms, start_ms, task_channel_sid,
        tasks_created, tasks_entered, tasks_canceled, tasks_completed, tasks_deleted, tasks_moved,
        tasks_timed_out_in_workflow, reservations_created, reservations_accepted, reservations_rejected,
        reservations_timed_out, reservations_canceled, reservations_rescinded
    )
    SELECT
        $1,
        g.scope_sid,
        60000,
        g.start_ms,
        g.task_channel_sid,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_created'), 0) AS tasks_created,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_entered'), 0) AS tasks_entered,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_canceled'), 0) AS tasks_canceled,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_completed'), 0) AS tasks_completed,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_deleted'), 0) AS tasks_deleted,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_moved'), 0) AS tasks_moved,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'tasks_timed_out_in_workflow'), 0) AS tasks_timed_out_in_workflow,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_created'), 0) AS reservations_created,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_accepted'), 0) AS reservations_accepted,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_rejected'), 0) AS reservations_rejected,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_timed_out'), 0) AS reservations_timed_out,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_canceled'), 0) AS reservations_canceled,
        coalesce(sum(g.times) FILTER (WHERE r.counter = 'reservations_rescinded'), 0) AS reservations_rescinded
    FROM (
        SELECT scope, scope_sid, start_ms, task_channel_sid, event_type, count(*) AS times
        FROM scoped
        GROUP BY scope, scope_sid, start_ms, task_channel_sid, event_type
    ) AS g
    JOIN unnest($4::text[], $5::text[], $6::text[]) AS r (event_type, scope, counter)
        ON r.event_type = g.event_type AND r.scope = g.scope
    GROUP BY g.scope_sid, g.start_ms, g.task_channel_sid
),
measured AS (
    SELECT
        e.scope_sid,
        e.start_ms,
        r.measure,
        e.task_channel_sid,
        (CASE r.measure WHEN 'in_queue_until_accepted' THEN e.task_age_in_queue ELSE e.task_age END)::integer AS value_s
    FROM scoped AS e
    JOIN unnest($7::text[], $8::text[], $9::text[]) AS r (event_type, scope, measure)
        ON r.event_type = e.event_type AND r.scope = e.scope
    UNION ALL
    SELECT scope_sid, start_ms, activity_sid, '', (time_in_activity_ms::bigint / 1000)::integer
    FROM scoped
    WHERE activity_sid IS NOT NULL AND scope IN ('workspace', 'worker')
)
INSERT INTO statistics_durations (
    workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid, times, total_s, least_s, most_s,
    values_s, value_times
)
SELECT
    $1,
    h.scope_sid,
    60000,
    h.start_ms,
    h.measure,
    h.task_channel_sid,
    sum(h.times),
    sum(h.value_s * h.times),
    min(h.value_s),
    max(h.value_s),
    array_agg(h.value_s ORDER BY h.value_s),
    array_agg(h.times::integer ORDER BY h.value_s)
FROM (
    SELECT scope_sid, start_ms, measure, task_channel_sid, value_s, count(*) AS times
    FROM measured
    WHERE value_s IS NOT NULL
    GROUP BY scope_sid, start_ms, measure, task_channel_sid, value_s
) AS h
GROUP BY h.scope_sid, h.start_ms, h.measure, h.task_channel_sid

-- name: sum_up_hour
-- The hour from $2 to before $3, from its minutes, once all of them are there.
WITH counted AS (
    INSERT INTO statistics_counts (
        workspace_sid, scope_sid, span_ms, start_ms, task_channel_sid,
        tasks_created, tasks_entered, tasks_canceled, tasks_completed, tasks_deleted, tasks_moved,
        tasks_timed_out_in_workflow, reservations_created, reservations_accepted, reservations_rejected,
        reservations_timed_out, reservations_canceled, reservations_rescinded
    )
    SELECT
        $1,
        c.scope_sid,
        3600000,
        $2::bigint,
        c.task_channel_sid,
        sum(c.tasks_created) AS tasks_created,
        sum(c.tasks_entered) AS tasks_entered,
        sum(c.tasks_canceled) AS tasks_canceled,
        sum(c.tasks_completed) AS tasks_completed,
        sum(c.tasks_deleted) AS tasks_deleted,
        sum(c.tasks_moved) AS tasks_moved,
        sum(c.tasks_timed_out_in_workflow) AS tasks_timed_out_in_workflow,
        sum(c.reservations_created) AS reservations_created,
        sum(c.reservations_accepted) AS reservations_accepted,
        sum(c.reservations_rejected) AS reservations_rejected,
        sum(c.reservations_timed_out) AS reservations_timed_out,
        sum(c.reservations_canceled) AS reservations_canceled,
        sum(c.reservations_rescinded) AS reservations_rescinded
    FROM statistics_counts AS c
    WHERE c.workspace_sid = $1 AND c.span_ms = 60000 AND c.start_ms >= $2 AND c.start_ms < $3
    GROUP BY c.scope_sid, c.task_channel_sid
)
INSERT INTO statistics_durations (
    workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid, times, total_s, least_s, most_s,
    values_s, value_times
)
SELECT
    $1,
    h.scope_sid,
    3600000,
    $2::bigint,
    h.measure,
    h.task_channel_sid,
    sum(h.times),
    sum(h.value_s * h.times),
    min(h.value_s),
    max(h.value_s),
    array_agg(h.value_s ORDER BY h.value_s),
    array_agg(h.times::integer ORDER BY h.value_s)
FROM (
    SELECT d.scope_sid, d.measure, d.task_channel_sid, v.value_s, sum(v.times) AS times
    FROM statistics_durations AS d
    CROSS JOIN LATERAL unnest(d.values_s, d.value_times) AS v (value_s, times)
    WHERE d.workspace_sid = $1 AND d.span_ms = 60000 AND d.start_ms >= $2 AND d.start_ms < $3
    GROUP BY d.scope_sid, d.measure, d.task_channel_sid, v.value_s
) AS h
GROUP BY h.scope_sid, h.measure, h.task_channel_sid

-- name: forget_statistics_counts
DELETE FROM statistics_counts WHERE workspace_sid = $1

-- name: forget_statistics_durations
DELETE FROM statistics_durations WHERE workspace_sid = $1
