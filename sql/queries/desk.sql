-- Links to the worker desk and what became of them. A link or a sign-in is found by the digest of its secret.

-- name: desk_workers
-- The workers of an account with this SID or name; two are enough to see that a name is not unique.
SELECT w.workspace_sid, w.sid, w.friendly_name
FROM workspaces AS s
JOIN workers AS w USING (workspace_sid)
WHERE s.account_sid = $1
    AND s.date_deleted_ms IS NULL
    AND ($2::text IS NULL OR s.workspace_sid = $2)
    AND (w.sid = $3 OR w.friendly_name = $3)
ORDER BY w.sid
LIMIT 2

-- name: desk_keys_of_account
SELECT key_sid FROM api_keys WHERE account_sid = $1 AND friendly_name = $2 ORDER BY key_sid

-- name: insert_desk_link
INSERT INTO desk_links (workspace_sid, digest, worker_sid, key_sid, expires_ms) VALUES ($1, $2, $3, $4, $5)

-- name: open_desk_session
-- One statement takes the link and signs in: of two requests one finds the link, and after a crash both have
-- happened or neither.
WITH taken AS (
    DELETE FROM desk_links WHERE workspace_sid = $1 AND digest = $2
    RETURNING worker_sid, key_sid, expires_ms
)
INSERT INTO desk_sessions (workspace_sid, digest, worker_sid, key_sid, expires_ms)
SELECT $1, $3, l.worker_sid, l.key_sid, $5
FROM taken AS l
JOIN workers AS w ON w.workspace_sid = $1 AND w.sid = l.worker_sid
WHERE l.expires_ms > $4
RETURNING worker_sid

-- name: get_desk_session
SELECT s.workspace_sid, s.worker_sid, s.key_sid, s.expires_ms, w.friendly_name
FROM desk_sessions AS s
JOIN workers AS w ON w.workspace_sid = s.workspace_sid AND w.sid = s.worker_sid
WHERE s.workspace_sid = $1 AND s.digest = $2 AND s.expires_ms > $3

-- name: close_desk_session
DELETE FROM desk_sessions WHERE workspace_sid = $1 AND digest = $2
