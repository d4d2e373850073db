-- Transfers: an assigned task handed to another worker or to a queue. Few tasks have one, so that the table is
-- small; it is read by task. As with reservations, one fenced writer inserts and there is no foreign key.
CREATE TABLE transfers (
    workspace_sid text COLLATE "C" NOT NULL,
    sid text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    task_sid text COLLATE "C" NOT NULL,
    initiating_reservation_sid text COLLATE "C" NOT NULL,
    initiating_worker_sid text COLLATE "C" NOT NULL,
    initiating_queue_sid text COLLATE "C",
    initiating_workflow_sid text COLLATE "C",
    to_sid text COLLATE "C" NOT NULL,
    mode text NOT NULL CHECK (mode IN ('WARM', 'COLD')),
    status text NOT NULL CHECK (status IN ('initiated', 'complete', 'failed', 'canceled')),
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL,
    failed_reason text,
    priority bigint,
    version bigint NOT NULL,
    PRIMARY KEY (workspace_sid, sid)
);

CREATE INDEX transfers_by_task ON transfers (workspace_sid, task_sid, sid);

-- The transfer that a reservation is an offer of. A column without a default rewrites no row.
ALTER TABLE reservations ADD COLUMN transfer_sid text COLLATE "C";
