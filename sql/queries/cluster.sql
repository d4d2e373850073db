-- Which nodes there are and which of them has which workspace. All ages are by the database's clock.

-- name: beat_node
-- Once a second. $5 tells whether this life of the node begins.
INSERT INTO nodes AS known (node_name, host, address, state, started_at, seen_at, load, workspaces, version)
VALUES ($1, $2, $3, $4, now(), now(), $6, $7, $8)
ON CONFLICT (node_name) DO UPDATE SET
    host = excluded.host,
    address = excluded.address,
    state = excluded.state,
    started_at = CASE WHEN $5::boolean THEN now() ELSE known.started_at END,
    seen_at = now(),
    load = excluded.load,
    workspaces = excluded.workspaces,
    version = excluded.version

-- name: all_nodes
SELECT
    node_name, host, address, state, load, workspaces, version,
    extract(epoch FROM now() - seen_at)::double precision AS age_s,
    extract(epoch FROM now() - started_at)::double precision AS up_s
FROM nodes
ORDER BY node_name

-- name: remove_node
DELETE FROM nodes WHERE node_name = $1

-- name: remove_silent_nodes
DELETE FROM nodes WHERE seen_at < now() - make_interval(secs => $1)

-- name: all_leases
-- Every workspace with its lease, or nothing at all when the digest over them is still $1: a look costs no rows
-- while nothing changes hands. A workspace without a lease row (restored from a backup, say) is free.
WITH held AS MATERIALIZED (
    SELECT
        w.workspace_sid, coalesce(l.owner, '') AS owner, coalesce(l.epoch, 0) AS epoch,
        coalesce(l.expires_at > now(), false) AS live
    FROM workspaces AS w
    LEFT JOIN workspace_leases AS l ON l.workspace_sid = w.workspace_sid
    WHERE w.date_deleted_ms IS NULL
),
digests AS (
    SELECT
        count(*)::text || ':'
        || coalesce(sum(hashtextextended(workspace_sid || ' ' || owner || ' ' || epoch || live, 0)), 0) AS digest
    FROM held
)
SELECT d.digest, h.workspace_sid, h.owner, h.epoch, h.live
FROM digests AS d
LEFT JOIN held AS h ON d.digest <> $1
