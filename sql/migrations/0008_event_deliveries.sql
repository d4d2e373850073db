-- The outbox of event callbacks: a row for each event that its workspace's receiver wants, written with the
-- event, kept as long as the event. It is a partition a day like the log, and goes with the log's.
CREATE TABLE event_deliveries (
    workspace_sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    event_date_ms bigint NOT NULL,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'dead')),
    attempts bigint NOT NULL DEFAULT 0,
    pending_since_ms bigint NOT NULL,
    next_attempt_ms bigint NOT NULL DEFAULT 0,
    last_attempt_ms bigint,
    last_status bigint,
    last_error text,
    PRIMARY KEY (workspace_sid, event_date_ms, sequence)
) PARTITION BY RANGE (event_date_ms);

CREATE TABLE event_deliveries_default PARTITION OF event_deliveries DEFAULT WITH (fillfactor = 70);

-- What is still to be sent, in order.
CREATE INDEX event_deliveries_pending ON event_deliveries (workspace_sid, sequence) WHERE status = 'pending';

-- What was given up, to look at and to send again.
CREATE INDEX event_deliveries_dead ON event_deliveries (workspace_sid, event_date_ms, sequence)
    WHERE status = 'dead';
