-- One-time links to the worker desk and the sign-ins made of them. Of what proves either only a SHA-256 digest is
-- kept. Few rows live at a time, so there is no tuning; a batch of routing never touches them.
CREATE TABLE desk_links (
    workspace_sid text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    key_sid text COLLATE "C" NOT NULL,
    expires_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, digest)
);

CREATE TABLE desk_sessions (
    workspace_sid text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    worker_sid text COLLATE "C" NOT NULL,
    key_sid text COLLATE "C" NOT NULL,
    expires_ms bigint NOT NULL,
    PRIMARY KEY (workspace_sid, digest)
);
