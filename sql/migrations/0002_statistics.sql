-- Statistics: what the events add up to, per minute and per hour, for every scope (workspace, queue, workflow,
-- worker). Written in the transaction that writes the events; engine/routing/rollups.py says what counts where.
-- Partitioned by day as the events are, so that they go together. The row of the running minute is updated by
-- every batch, columns no index holds: room in the page keeps that HOT.

CREATE TABLE statistics_counts (
    workspace_sid text COLLATE "C" NOT NULL,
    scope_sid text COLLATE "C" NOT NULL,
    span_ms bigint NOT NULL,
    start_ms bigint NOT NULL,
    task_channel_sid text COLLATE "C" NOT NULL,
    tasks_created bigint NOT NULL,
    tasks_entered bigint NOT NULL,
    tasks_canceled bigint NOT NULL,
    tasks_completed bigint NOT NULL,
    tasks_deleted bigint NOT NULL,
    tasks_moved bigint NOT NULL,
    tasks_timed_out_in_workflow bigint NOT NULL,
    reservations_created bigint NOT NULL,
    reservations_accepted bigint NOT NULL,
    reservations_rejected bigint NOT NULL,
    reservations_timed_out bigint NOT NULL,
    reservations_canceled bigint NOT NULL,
    reservations_rescinded bigint NOT NULL,
    PRIMARY KEY (workspace_sid, scope_sid, span_ms, start_ms, task_channel_sid)
) PARTITION BY RANGE (start_ms);

CREATE TABLE statistics_counts_default PARTITION OF statistics_counts DEFAULT;

-- How often (times) something lasted so many seconds (value_s). The measure is the name of a wait, or the SID of
-- the activity that a worker left.
CREATE TABLE statistics_durations (
    workspace_sid text COLLATE "C" NOT NULL,
    scope_sid text COLLATE "C" NOT NULL,
    span_ms bigint NOT NULL,
    start_ms bigint NOT NULL,
    measure text COLLATE "C" NOT NULL,
    task_channel_sid text COLLATE "C" NOT NULL,
    value_s bigint NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid, value_s)
) PARTITION BY RANGE (start_ms);

CREATE TABLE statistics_durations_default PARTITION OF statistics_durations DEFAULT;

-- The next time that a worker left its activity: which one it was in at a moment, and since when.
CREATE INDEX events_of_activities ON events (workspace_sid, worker_sid, event_date_ms, sequence)
    WHERE event_type IN ('worker.activity.update', 'worker.deleted');

-- Workers that were there at a moment and are not any more.
CREATE INDEX events_of_deleted_workers ON events (workspace_sid, event_date_ms)
    WHERE event_type = 'worker.deleted';
