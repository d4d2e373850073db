-- A router as one would write it by hand on PostgreSQL: tasks wait in a table, a claim takes the next one and
-- a worker who has its skill and room. Three transactions per task: created, assigned, completed.

-- name: router_schema
CREATE TABLE workers (
    id integer PRIMARY KEY,
    skills text[] NOT NULL,
    free integer NOT NULL,
    idle_since timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
CREATE TABLE tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    attributes jsonb NOT NULL,
    priority integer NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'pending',
    worker_id integer REFERENCES workers,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    assigned_at timestamptz,
    completed_at timestamptz
) WITH (fillfactor = 70);
CREATE INDEX tasks_waiting ON tasks (priority DESC, id) WHERE state = 'pending';
INSERT INTO workers (id, skills, free)
SELECT n, CASE n % 3 WHEN 0 THEN '{billing}' WHEN 1 THEN '{technical}' ELSE '{billing,technical}' END::text[], 50
FROM generate_series(1, 20) AS n;

-- name: router_create
INSERT INTO tasks (topic, attributes) VALUES ($1, $2::text::jsonb) RETURNING id;

-- name: router_claim
WITH task AS (
    SELECT id, topic FROM tasks WHERE state = 'pending'
    ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED
), worker AS (
    SELECT workers.id FROM workers, task
    WHERE task.topic = ANY (workers.skills) AND workers.free > 0
    ORDER BY workers.idle_since LIMIT 1 FOR UPDATE OF workers SKIP LOCKED
), taken AS (
    UPDATE workers SET free = free - 1, idle_since = clock_timestamp()
    FROM worker WHERE workers.id = worker.id RETURNING workers.id
)
UPDATE tasks SET state = 'assigned', worker_id = taken.id, assigned_at = clock_timestamp()
FROM task, taken WHERE tasks.id = task.id RETURNING tasks.id;

-- name: router_complete
WITH done AS (
    UPDATE tasks SET state = 'completed', completed_at = clock_timestamp()
    WHERE id = $1 AND state = 'assigned' RETURNING worker_id
)
UPDATE workers SET free = free + 1 FROM done WHERE workers.id = done.worker_id;
