-- Reads of the event bridge: reservations with all of their columns, and the tasks that belong to them. The
-- columns are those of the entity, in its order; the code fills them in.

-- name: bridge_reservations
-- A worker's reservations in some states, in the order they were made, beyond one of them.
SELECT {columns}
FROM reservations AS r
WHERE r.workspace_sid = $1
    AND r.worker_sid = $2
    AND r.date_deleted_ms IS NULL
    AND r.status = ANY($3::text[])
    AND r.sid > $4
ORDER BY r.sid
LIMIT $5

-- name: bridge_reservation
SELECT {columns}
FROM reservations AS r
WHERE r.workspace_sid = $1 AND r.sid = $2 AND r.date_deleted_ms IS NULL

-- name: pick_tasks_by_sid
SELECT t.*
FROM tasks AS t
WHERE t.workspace_sid = $1 AND t.sid = ANY($2::text[]) AND t.date_deleted_ms IS NULL

-- name: bridge_transfers
-- Of these tasks: the transfers named, and those under way.
SELECT {columns}
FROM transfers AS tt
WHERE tt.workspace_sid = $1
    AND tt.task_sid = ANY($2::text[])
    AND (tt.sid = ANY($3::text[]) OR tt.status = 'initiated')

-- name: presence_arrived
INSERT INTO worker_presence (workspace_sid, worker_sid, node) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING

-- name: presence_departed
DELETE FROM worker_presence WHERE workspace_sid = $1 AND worker_sid = $2 AND node = $3

-- name: presence_of_node
SELECT workspace_sid, worker_sid FROM worker_presence WHERE node = $1 ORDER BY workspace_sid, worker_sid

-- name: presence_adopted
-- The workers of a workspace that has come to this node; whoever had it before minds them no more.
WITH others AS (
    DELETE FROM worker_presence WHERE workspace_sid = $1 AND node <> $2 RETURNING worker_sid
), adopted AS (
    INSERT INTO worker_presence (workspace_sid, worker_sid, node)
    SELECT DISTINCT $1, worker_sid, $2 FROM others
    ON CONFLICT DO NOTHING
)
SELECT DISTINCT worker_sid FROM others ORDER BY worker_sid
