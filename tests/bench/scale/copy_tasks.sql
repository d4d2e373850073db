-- $2 copies of the waiting tasks of workspace $1, evenly: with SIDs and sequences after all there are, and
-- another customer for the text $3 in their attributes.
INSERT INTO tasks (
    workspace_sid, sid, sequence, status, attributes, addons, priority, reason, timeout_s, task_channel_sid,
    workflow_sid, workflow_version, task_queue_sid, routing_target, ignore_capacity, virtual_start_ms,
    date_created_ms, date_updated_ms, task_queue_entered_ms, version, entry_filter_index, filter_index,
    target_index, filter_entered_ms, step_deadline_ms, skip_if_open, assignment_count
)
SELECT
    t.workspace_sid,
    'WT' || lpad(to_hex(t.latest_ms + 1), 12, '0') || lpad(to_hex(n), 6, '0') || left(md5(n::text), 14),
    t.latest + n, t.status, replace(t.attributes, $3, 'CU' || lpad(n::text, 10, '0')), t.addons, n % 5,
    t.reason, t.timeout_s, t.task_channel_sid, t.workflow_sid, t.workflow_version, t.task_queue_sid,
    t.routing_target, t.ignore_capacity, t.virtual_start_ms + n, t.date_created_ms + n, t.date_updated_ms + n,
    t.task_queue_entered_ms + n, t.version, t.entry_filter_index, t.filter_index, t.target_index,
    t.filter_entered_ms + n, t.step_deadline_ms, t.skip_if_open, t.assignment_count
FROM generate_series(1, $2::bigint) AS n
JOIN (
    SELECT
        w.*,
        row_number() OVER (ORDER BY w.sid) - 1 AS place,
        max(w.date_created_ms) OVER () AS latest_ms,
        (SELECT s.sequence FROM workspaces AS s WHERE s.workspace_sid = $1) AS latest
    FROM tasks AS w
    WHERE w.workspace_sid = $1 AND w.status = 'pending'
) AS t ON t.place = n % (SELECT count(*) FROM tasks AS p WHERE p.workspace_sid = $1 AND p.status = 'pending')
