-- Statistics are no longer written with each batch: a minute is added up once, from the log, when it is over
-- (engine/storage/statistics_summing.py). Nothing is lost by emptying the tables: they are made again from the
-- events. One row now holds all durations of its kind, so a day of a busy queue is few rows.

TRUNCATE statistics_counts;

TRUNCATE statistics_durations;

ALTER TABLE statistics_durations DROP CONSTRAINT statistics_durations_pkey;

ALTER TABLE statistics_durations DROP COLUMN value_s, DROP COLUMN times;

-- values_s and value_times are parallel, ascending by value: a histogram. The four figures before them say what most
-- questions need without reading it.
ALTER TABLE statistics_durations
    ADD COLUMN times bigint NOT NULL,
    ADD COLUMN total_s bigint NOT NULL,
    ADD COLUMN least_s bigint NOT NULL,
    ADD COLUMN most_s bigint NOT NULL,
    ADD COLUMN values_s integer[] NOT NULL,
    ADD COLUMN value_times integer[] NOT NULL,
    ADD PRIMARY KEY (workspace_sid, scope_sid, span_ms, start_ms, measure, task_channel_sid);

-- How far the log of a workspace has been worked through: added up for statistics until summed_until_ms (a whole
-- minute), redacted up to the event at (redacted_ms, redacted_sequence). event_sequence is the workspace's when it was
-- last looked at: as long as that is the same, there is nothing to do. Outlives its workspace as long as the events do.
CREATE TABLE log_positions (
    workspace_sid text COLLATE "C" PRIMARY KEY,
    event_sequence bigint NOT NULL,
    summed_until_ms bigint NOT NULL,
    redacted_ms bigint NOT NULL,
    redacted_sequence bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
