-- Workers with a websocket that are to be moved to an activity when it is gone, and the node that has it. A row
-- outlives a stop of its node: what was asked for is carried out after the start, unless the worker is back.
CREATE TABLE worker_presence (
    workspace_sid text COLLATE "C" NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    node text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace_sid, worker_sid, node)
);
