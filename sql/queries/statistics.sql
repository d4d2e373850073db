-- Statistics: what is read of the rollups, and of the events that they do not cover (yet).

-- name: summed_until
SELECT summed_until_ms FROM log_positions WHERE workspace_sid = $1

-- name: sum_statistics_counts
SELECT
    scope_sid,
    sum(tasks_created)::bigint AS tasks_created,
    sum(tasks_entered)::bigint AS tasks_entered,
    sum(tasks_canceled)::bigint AS tasks_canceled,
    sum(tasks_completed)::bigint AS tasks_completed,
    sum(tasks_deleted)::bigint AS tasks_deleted,
    sum(tasks_moved)::bigint AS tasks_moved,
    sum(tasks_timed_out_in_workflow)::bigint AS tasks_timed_out_in_workflow,
    sum(reservations_created)::bigint AS reservations_created,
    sum(reservations_accepted)::bigint AS reservations_accepted,
    sum(reservations_rejected)::bigint AS reservations_rejected,
    sum(reservations_timed_out)::bigint AS reservations_timed_out,
    sum(reservations_canceled)::bigint AS reservations_canceled,
    sum(reservations_rescinded)::bigint AS reservations_rescinded
FROM statistics_counts
WHERE workspace_sid = $1
    AND scope_sid = ANY($2::text[])
    AND span_ms = $3
    AND start_ms >= $4
    AND start_ms < $5
    AND ($6::text IS NULL OR task_channel_sid = $6)
GROUP BY scope_sid

-- name: sum_waits
-- Measures from $7 to before $8: the names of waits. The histograms are not read.
SELECT
    scope_sid,
    measure,
    sum(times)::bigint AS times,
    sum(total_s)::bigint AS total_s,
    min(least_s) AS least_s,
    max(most_s) AS most_s
FROM statistics_durations
WHERE workspace_sid = $1
    AND scope_sid = ANY($2::text[])
    AND span_ms = $3
    AND start_ms >= $4
    AND start_ms < $5
    AND ($6::text IS NULL OR task_channel_sid = $6)
    AND measure >= $7
    AND measure < $8
GROUP BY scope_sid, measure

-- name: split_waits
-- How many waits lie before the first of the ascending bounds $9, from it to before the second, and so on.
SELECT d.scope_sid, d.measure, width_bucket(v.value_s, $9::integer[]) AS place, sum(v.times)::bigint AS times
FROM statistics_durations AS d
CROSS JOIN LATERAL unnest(d.values_s, d.value_times) AS v (value_s, times)
WHERE d.workspace_sid = $1
    AND d.scope_sid = ANY($2::text[])
    AND d.span_ms = $3
    AND d.start_ms >= $4
    AND d.start_ms < $5
    AND ($6::text IS NULL OR d.task_channel_sid = $6)
    AND d.measure >= $7
    AND d.measure < $8
GROUP BY d.scope_sid, d.measure, place

-- name: sum_stays
-- Measures from $6 to before $7: the SIDs of activities. A stay is cut at the ends of a window, so each one matters.
SELECT d.scope_sid, d.measure, v.value_s, sum(v.times)::bigint AS times
FROM statistics_durations AS d
CROSS JOIN LATERAL unnest(d.values_s, d.value_times) AS v (value_s, times)
WHERE d.workspace_sid = $1
    AND d.scope_sid = ANY($2::text[])
    AND d.span_ms = $3
    AND d.start_ms >= $4
    AND d.start_ms < $5
    AND d.measure >= $6
    AND d.measure < $7
GROUP BY d.scope_sid, d.measure, v.value_s

-- name: sum_statistics_events
-- What the rollups do not say (yet): the events themselves, alike ones counted together.
SELECT
    {scope} AS scope_sid,
    e.event_type,
    e.task_channel_sid,
    CASE WHEN e.event_type IN ('reservation.accepted', 'task.canceled') THEN e.data::json ->> 'task_age' END
        AS task_age,
    CASE WHEN e.event_type = 'reservation.accepted' THEN e.data::json ->> 'task_age_in_queue' END
        AS task_age_in_queue,
    CASE WHEN e.event_type = 'worker.activity.update' THEN e.data::json ->> 'worker_previous_activity_sid' END
        AS worker_previous_activity_sid,
    CASE WHEN e.event_type = 'worker.activity.update' THEN e.data::json ->> 'worker_time_in_previous_activity_ms' END
        AS worker_time_in_previous_activity_ms,
    CASE WHEN e.event_type = 'worker.deleted' THEN e.data::json ->> 'worker_activity_sid' END
        AS worker_activity_sid,
    CASE WHEN e.event_type = 'worker.deleted' THEN e.data::json ->> 'worker_time_in_activity_ms' END
        AS worker_time_in_activity_ms,
    count(*) AS times
FROM events AS e
WHERE e.workspace_sid = $1
    AND {scope} = ANY($2::text[])
    AND e.event_date_ms >= $3
    AND e.event_date_ms < $4
    AND e.event_type = ANY($5::text[])
    AND ($6::text IS NULL OR e.task_channel_sid = $6)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9

-- name: activities_at
-- In which activity each worker was at the moment $2, since when and until when; NULL = still.
SELECT
    p.sid AS worker_sid,
    coalesce(next.activity_sid, p.activity_sid) AS activity_sid,
    coalesce(next.event_date_ms - next.spent_ms, p.since_ms) AS began_ms,
    next.event_date_ms AS ended_ms
FROM (
    SELECT w.sid, w.activity_sid, w.date_status_changed_ms AS since_ms
    FROM workers AS w
    WHERE w.workspace_sid = $1 AND ($4::text[] IS NULL OR w.sid = ANY($4))
    UNION ALL
    SELECT d.worker_sid, NULL, NULL
    FROM events AS d
    WHERE d.workspace_sid = $1
        AND d.event_type = 'worker.deleted'
        AND d.event_date_ms >= $2
        AND d.event_date_ms < $3
        AND ($4::text[] IS NULL OR d.worker_sid = ANY($4))
) AS p
LEFT JOIN LATERAL (
    SELECT
        e.event_date_ms,
        coalesce(e.data::json ->> 'worker_previous_activity_sid', e.data::json ->> 'worker_activity_sid')
            AS activity_sid,
        coalesce(
            e.data::json ->> 'worker_time_in_previous_activity_ms', e.data::json ->> 'worker_time_in_activity_ms'
        )::bigint AS spent_ms
    FROM events AS e
    WHERE e.workspace_sid = $1
        AND e.worker_sid = p.sid
        AND e.event_type IN ('worker.activity.update', 'worker.deleted')
        AND e.event_date_ms >= $2
        AND e.event_date_ms < $3
    ORDER BY e.event_date_ms, e.sequence
    LIMIT 1
) AS next ON true
WHERE coalesce(next.event_date_ms - next.spent_ms, p.since_ms) < $2

-- name: activity_names
SELECT sid, friendly_name FROM activities WHERE workspace_sid = $1 ORDER BY sid

-- name: next_statistics_ms
-- The next moment from $2 on of which the log or the rollups say anything.
SELECT least(
    (SELECT min(event_date_ms) FROM events WHERE workspace_sid = $1 AND event_date_ms >= $2),
    (
        SELECT min(start_ms)
        FROM statistics_counts
        WHERE workspace_sid = $1 AND scope_sid = $1 AND span_ms = 60000 AND start_ms >= $2
    )
)

-- name: statistics_events
SELECT
    sequence, event_type, event_date_ms, data, worker_sid, task_queue_sid, workflow_sid, task_channel_sid
FROM events
WHERE workspace_sid = $1
    AND event_date_ms >= $2
    AND event_date_ms < $3
    AND event_type = ANY($4::text[])

-- name: statistics_counts_of_span
SELECT
    scope_sid, span_ms, start_ms, task_channel_sid,
    tasks_created, tasks_entered, tasks_canceled, tasks_completed, tasks_deleted, tasks_moved,
    tasks_timed_out_in_workflow, reservations_created, reservations_accepted, reservations_rejected,
    reservations_timed_out, reservations_canceled, reservations_rescinded
FROM statistics_counts
WHERE workspace_sid = $1 AND start_ms >= $2 AND start_ms < $3

-- name: statistics_durations_of_span
SELECT
    scope_sid, span_ms, start_ms, measure, task_channel_sid,
    times, total_s, least_s, most_s, values_s, value_times
FROM statistics_durations
WHERE workspace_sid = $1 AND start_ms >= $2 AND start_ms < $3
