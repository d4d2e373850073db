-- What went wrong while talking to an application. A partition a day, dropped with the log's.
CREATE TABLE alerts (
    workspace_sid text COLLATE "C" NOT NULL,
    date_ms bigint NOT NULL,
    sid text COLLATE "C" NOT NULL,
    code bigint NOT NULL,
    level text NOT NULL CHECK (level IN ('error', 'warning')),
    alert_text text NOT NULL,
    url text,
    task_sid text COLLATE "C",
    worker_sid text COLLATE "C",
    reservation_sid text COLLATE "C",
    workflow_sid text COLLATE "C",
    event_sid text COLLATE "C",
    occurrences bigint NOT NULL,
    PRIMARY KEY (workspace_sid, date_ms, sid)
) PARTITION BY RANGE (date_ms);

CREATE TABLE alerts_default PARTITION OF alerts DEFAULT;

CREATE INDEX alerts_by_sid ON alerts (workspace_sid, sid);
CREATE INDEX alerts_by_task ON alerts (workspace_sid, task_sid, date_ms, sid) WHERE task_sid IS NOT NULL;
