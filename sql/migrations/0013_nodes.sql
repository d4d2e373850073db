-- The nodes that live on this database, a few rows. Each writes its own once a second, so that the others can tell
-- by this server's clock whether it lives; nothing is decided by it that the epochs of the leases do not guard.
-- Half-empty pages keep the update inside its page (HOT).
CREATE TABLE nodes (
    node_name text COLLATE "C" PRIMARY KEY,
    host text NOT NULL,
    address text NOT NULL,
    state text NOT NULL CHECK (state IN ('starting', 'serving', 'draining')),
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    load double precision NOT NULL,
    workspaces bigint NOT NULL,
    version text NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);
