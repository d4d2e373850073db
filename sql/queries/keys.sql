-- API keys: they belong to an account, not to a workspace. The secret is encrypted; it signs access tokens,
-- so a digest would not do.

-- name: all_api_keys
SELECT key_sid, account_sid, secret_encrypted FROM api_keys

-- name: select_api_keys
SELECT k.key_sid, k.account_sid, k.friendly_name, k.date_created_ms, k.date_updated_ms
FROM api_keys AS k
WHERE k.account_sid = $1
    {page}

-- name: insert_api_key
-- Keys made at the same moment may go over the limit by a few: it keeps accidents small, it is no quota.
INSERT INTO api_keys (key_sid, account_sid, secret_encrypted, friendly_name, date_created_ms, date_updated_ms)
SELECT $1, a.account_sid, $3, $4, $5, $5
FROM accounts AS a
WHERE a.account_sid = $2
    AND (SELECT count(*) FROM api_keys AS k WHERE k.account_sid = $2) < $6
RETURNING key_sid

-- name: rename_api_key
UPDATE api_keys SET friendly_name = $3, date_updated_ms = $4
WHERE account_sid = $1 AND key_sid = $2
RETURNING key_sid

-- name: delete_api_key
DELETE FROM api_keys
WHERE account_sid = $1 AND key_sid = $2
RETURNING key_sid
