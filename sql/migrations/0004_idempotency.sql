-- What was answered to requests with an idempotency key; a repetition within a day gets the same answer.
-- A row is written in the transaction that carried the request out, so there is never one without the other.
-- workspace_sid is the account's SID for the creation of a workspace: its own is not known to who repeats it.
-- One request of many commands may take several transactions; each leaves one part, named by its first command.
CREATE TABLE idempotency_keys (
    workspace_sid text COLLATE "C" NOT NULL,
    path text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    part integer NOT NULL,
    fingerprint bytea NOT NULL,
    answer bytea NOT NULL,
    date_created_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, path, key, part)
);

-- The retention walks it.
CREATE INDEX idempotency_keys_by_date ON idempotency_keys (date_created_ms);
