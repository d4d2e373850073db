-- Who may write a workspace. Expiry is by the database's clock, so the nodes' clocks need not agree.

-- name: insert_lease
INSERT INTO workspace_leases (workspace_sid, owner, epoch, expires_at)
VALUES ($1, $2, 1, now() + make_interval(secs => $3))

-- name: acquire_lease
-- Each acquisition raises the epoch, the same owner's too: what an earlier life of it still has under way
-- is fenced. A workspace without a lease row (restored from a backup, say) gets one.
INSERT INTO workspace_leases AS held (workspace_sid, owner, epoch, expires_at)
SELECT w.workspace_sid, $2, 1, now() + make_interval(secs => $3)
FROM workspaces AS w
WHERE w.workspace_sid = $1 AND w.date_deleted_ms IS NULL
ON CONFLICT (workspace_sid) DO UPDATE SET
    owner = excluded.owner,
    epoch = held.epoch + 1,
    expires_at = excluded.expires_at
WHERE held.owner = excluded.owner OR held.expires_at <= now()
RETURNING held.epoch

-- name: renew_leases
UPDATE workspace_leases AS held
SET expires_at = now() + make_interval(secs => $4)
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS ours (workspace_sid, owner, epoch)
WHERE held.workspace_sid = ours.workspace_sid AND held.owner = ours.owner AND held.epoch = ours.epoch
RETURNING held.workspace_sid

-- name: release_lease
-- The row stays, expired: its epoch must never start over.
UPDATE workspace_leases
SET expires_at = now()
WHERE workspace_sid = $1 AND owner = $2 AND epoch = $3

-- name: pass_lease
-- From one owner to another, by whichever of them: to an heir, or from an owner that is known to be gone. Only
-- while the row is still what was seen.
UPDATE workspace_leases
SET owner = $4, epoch = epoch + 1, expires_at = now() + make_interval(secs => $5)
WHERE workspace_sid = $1 AND owner = $2 AND epoch = $3
RETURNING epoch
