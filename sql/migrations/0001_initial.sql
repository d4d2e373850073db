-- The whole schema. Forward only; each statement ends with a semicolon at the end of its line and is sent alone.
--
-- Rules that keep the door to a distributed Postgres open: every primary key, unique index and foreign key
-- holds workspace_sid (accounts and schema_migrations belong to no workspace and are exempt); no triggers;
-- foreign keys never SET NULL; no sequences (the core numbers what needs an order).
-- SIDs are COLLATE "C": their order is byte order on any server, and comparing them is a memcmp.
-- Times are milliseconds since the epoch (_ms), durations seconds (_s), as in engine/routing/entities.py.

CREATE TABLE accounts (
    account_sid text COLLATE "C" PRIMARY KEY,
    auth_token_encrypted bytea NOT NULL,
    friendly_name text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
    date_created_ms bigint NOT NULL
);

-- Written by every batch (its two counters): half-empty pages keep the update inside its page (HOT).
CREATE TABLE workspaces (
    workspace_sid text COLLATE "C" PRIMARY KEY,
    account_sid text COLLATE "C" NOT NULL,
    friendly_name text NOT NULL,
    event_callback_url text NOT NULL,
    events_filter text,
    multi_task_enabled boolean NOT NULL,
    prioritize_queue_order text NOT NULL CHECK (prioritize_queue_order IN ('FIFO', 'LIFO')),
    default_activity_sid text COLLATE "C",
    timeout_activity_sid text COLLATE "C",
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    event_sequence bigint NOT NULL CHECK (event_sequence >= 0),
    sequence bigint NOT NULL CHECK (sequence >= 0),
    date_deleted_ms bigint
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

-- The list of an account's workspaces, page by page.
CREATE INDEX workspaces_by_account ON workspaces (account_sid, workspace_sid) WHERE date_deleted_ms IS NULL;

-- What the retention looks for: workspaces whose children still have to go.
CREATE INDEX workspaces_deleted ON workspaces (date_deleted_ms) WHERE date_deleted_ms IS NOT NULL;

-- Who may write a workspace. Expiry is by the database's clock; the epoch only ever rises.
CREATE TABLE workspace_leases (
    workspace_sid text COLLATE "C" PRIMARY KEY REFERENCES workspaces (workspace_sid),
    owner text NOT NULL,
    epoch bigint NOT NULL CHECK (epoch > 0),
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

CREATE TABLE activities (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    friendly_name text NOT NULL,
    available boolean NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
);

CREATE TABLE task_channels (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    unique_name text NOT NULL,
    friendly_name text NOT NULL,
    channel_optimized_routing boolean NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
);

CREATE TABLE task_queues (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    friendly_name text NOT NULL,
    target_workers text NOT NULL,
    max_reserved_workers bigint NOT NULL CHECK (max_reserved_workers > 0),
    task_order text NOT NULL CHECK (task_order IN ('FIFO', 'LIFO')),
    reservation_activity_sid text COLLATE "C",
    assignment_activity_sid text COLLATE "C",
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
);

-- Lists and the tasks' filters address a queue by its name.
CREATE INDEX task_queues_by_name ON task_queues (workspace_sid, friendly_name, sid);

CREATE TABLE workflows (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    friendly_name text NOT NULL,
    configuration text NOT NULL,
    configuration_version bigint NOT NULL,
    assignment_callback_url text NOT NULL,
    fallback_assignment_callback_url text NOT NULL,
    task_reservation_timeout_s bigint NOT NULL CHECK (task_reservation_timeout_s > 0),
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
);

CREATE INDEX workflows_by_name ON workflows (workspace_sid, friendly_name, sid);

-- Every saved configuration: a task goes on with the version it entered with. Outlives its workflow until
-- no open task refers to it, hence no foreign key to workflows.
CREATE TABLE workflow_configurations (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    workflow_sid text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    configuration text NOT NULL,
    PRIMARY KEY (workspace_sid, workflow_sid, version)
);

-- Touched by each reservation (last_reserved_*), columns no index holds: room in the page keeps that HOT.
CREATE TABLE workers (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    friendly_name text NOT NULL,
    activity_sid text COLLATE "C" NOT NULL,
    attributes text NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    date_status_changed_ms bigint NOT NULL,
    version bigint NOT NULL,
    last_reserved_ms bigint,
    last_reserved_sequence bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX workers_by_name ON workers (workspace_sid, friendly_name, sid);

CREATE INDEX workers_by_activity ON workers (workspace_sid, activity_sid, sid);

CREATE TABLE worker_channels (
    workspace_sid text COLLATE "C" NOT NULL REFERENCES workspaces (workspace_sid),
    sid text COLLATE "C" NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    task_channel_sid text COLLATE "C" NOT NULL,
    configured_capacity bigint NOT NULL CHECK (configured_capacity >= 0),
    available boolean NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    last_reserved_ms bigint,
    last_reserved_sequence bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX worker_channels_by_worker ON worker_channels (workspace_sid, worker_sid, sid);

-- The hot tables (tasks, reservations, events, assignment_callbacks) have no foreign keys: each would cost a
-- look-up and a row lock per row of a batch, and the fenced single writer is the only one that inserts here.
-- A task changes its status four or five times, then is purged within minutes: vacuum early, and by count.
CREATE TABLE tasks (
    workspace_sid text COLLATE "C" NOT NULL,
    sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    status text NOT NULL
        CHECK (status IN ('pending', 'reserved', 'assigned', 'wrapping', 'completed', 'canceled')),
    attributes text NOT NULL,
    addons text NOT NULL,
    priority bigint NOT NULL,
    reason text,
    timeout_s bigint NOT NULL,
    task_channel_sid text COLLATE "C" NOT NULL,
    workflow_sid text COLLATE "C",
    workflow_version bigint NOT NULL,
    task_queue_sid text COLLATE "C",
    routing_target text COLLATE "C",
    ignore_capacity boolean NOT NULL,
    virtual_start_ms bigint NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    task_queue_entered_ms bigint,
    date_assigned_ms bigint,
    date_finished_ms bigint,
    version bigint NOT NULL,
    entry_filter_index bigint,
    filter_index bigint,
    target_index bigint NOT NULL,
    filter_entered_ms bigint,
    step_deadline_ms bigint,
    assignment_count bigint NOT NULL,
    date_deleted_ms bigint,
    PRIMARY KEY (workspace_sid, sid),
    CHECK ((status IN ('completed', 'canceled')) = (date_finished_ms IS NOT NULL))
) WITH (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);

-- Lists by status; the finished ones are listed too, so it is not partial.
CREATE INDEX tasks_by_status ON tasks (workspace_sid, status, sid);

-- What the loader reads: the finished rows that wait for the purge cost it nothing.
CREATE INDEX tasks_open ON tasks (workspace_sid, sid) WHERE date_finished_ms IS NULL AND date_deleted_ms IS NULL;

CREATE INDEX tasks_by_queue ON tasks (workspace_sid, task_queue_sid, sid);

CREATE INDEX tasks_by_workflow ON tasks (workspace_sid, workflow_sid, sid);

-- The Ordering parameter: highest priority first, oldest first within it. Negated, both keys ascend, and a page
-- begins with one comparison of (-priority, sid) however many tasks share a priority.
CREATE INDEX tasks_by_priority ON tasks (workspace_sid, (-priority), sid);

CREATE INDEX tasks_by_virtual_start ON tasks (workspace_sid, virtual_start_ms, sid);

-- Few tasks are sent to a worker or queue by name of its SID: the index stays tiny.
CREATE INDEX tasks_by_routing_target ON tasks (workspace_sid, routing_target, sid) WHERE routing_target IS NOT NULL;

-- What the purge looks for.
CREATE INDEX tasks_finished ON tasks (date_finished_ms) WHERE date_finished_ms IS NOT NULL;

CREATE INDEX tasks_deleted ON tasks (date_deleted_ms) WHERE date_deleted_ms IS NOT NULL;

-- date_deleted_ms follows the task's: such a reservation is not visible and waits for the purge.
CREATE TABLE reservations (
    workspace_sid text COLLATE "C" NOT NULL,
    sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    task_sid text COLLATE "C" NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    task_queue_sid text COLLATE "C",
    workflow_sid text COLLATE "C",
    task_channel_sid text COLLATE "C" NOT NULL,
    status text NOT NULL
        CHECK (status IN ('pending', 'accepted', 'rejected', 'timeout', 'canceled', 'rescinded', 'wrapping',
                          'completed')),
    timeout_s bigint NOT NULL,
    deadline_ms bigint NOT NULL,
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    version bigint NOT NULL,
    worker_previous_activity_sid text COLLATE "C",
    canceled_reason_code bigint,
    date_deleted_ms bigint,
    PRIMARY KEY (workspace_sid, sid)
) WITH (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0
);

CREATE INDEX reservations_by_task ON reservations (workspace_sid, task_sid, sid);

CREATE INDEX reservations_by_worker ON reservations (workspace_sid, worker_sid, sid);

-- The loader's rows, and what a worker channel has in use.
CREATE INDEX reservations_open ON reservations (workspace_sid, worker_sid, task_channel_sid)
    WHERE status IN ('pending', 'accepted', 'wrapping') AND date_deleted_ms IS NULL;

-- The log of a workspace, appended in the transaction that made each entry true. One partition per UTC day,
-- made ahead (engine/storage/partitions.py) and dropped whole; rows of a day without one land in the default.
CREATE TABLE events (
    workspace_sid text COLLATE "C" NOT NULL,
    sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL CHECK (sequence > 0),
    event_type text NOT NULL,
    event_date_ms bigint NOT NULL,
    description text NOT NULL,
    resource_type text NOT NULL,
    resource_sid text COLLATE "C" NOT NULL,
    actor_type text,
    actor_sid text COLLATE "C",
    data text NOT NULL,
    task_sid text COLLATE "C",
    worker_sid text COLLATE "C",
    reservation_sid text COLLATE "C",
    task_queue_sid text COLLATE "C",
    workflow_sid text COLLATE "C",
    task_channel_sid text COLLATE "C",
    PRIMARY KEY (workspace_sid, event_date_ms, sequence)
) PARTITION BY RANGE (event_date_ms);

CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Fetch by SID.
CREATE INDEX events_by_sid ON events (workspace_sid, sid);

-- The story of one task, worker or reservation. Queue, workflow and channel are in so many rows that walking
-- the key and filtering finds a page soon enough.
CREATE INDEX events_by_task ON events (workspace_sid, task_sid, event_date_ms, sequence)
    WHERE task_sid IS NOT NULL;

CREATE INDEX events_by_worker ON events (workspace_sid, worker_sid, event_date_ms, sequence)
    WHERE worker_sid IS NOT NULL;

CREATE INDEX events_by_reservation ON events (workspace_sid, reservation_sid, event_date_ms, sequence)
    WHERE reservation_sid IS NOT NULL;

-- The outbox: a row from the commit that made the reservation until the commit of the callback's outcome.
-- Everything in it dies young, so vacuum goes by count alone.
CREATE TABLE assignment_callbacks (
    workspace_sid text COLLATE "C" NOT NULL,
    reservation_sid text COLLATE "C" NOT NULL,
    task_sid text COLLATE "C" NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    workflow_sid text COLLATE "C" NOT NULL,
    url text NOT NULL,
    fallback_url text NOT NULL,
    date_created_ms bigint NOT NULL,
    fields text NOT NULL,
    PRIMARY KEY (workspace_sid, reservation_sid)
) WITH (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0
);
