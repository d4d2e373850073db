-- Accounts: no workspace's data, so a key without a workspace_sid.

-- name: all_accounts
SELECT account_sid, auth_token_encrypted, friendly_name, status, date_created_ms
FROM accounts
ORDER BY date_created_ms, account_sid

-- name: get_account
SELECT auth_token_encrypted FROM accounts WHERE account_sid = $1 AND status = 'active'

-- name: put_account
INSERT INTO accounts (account_sid, auth_token_encrypted, date_created_ms)
VALUES ($1, $2, $3)
ON CONFLICT (account_sid) DO UPDATE SET auth_token_encrypted = excluded.auth_token_encrypted

-- name: insert_account
INSERT INTO accounts (account_sid, auth_token_encrypted, friendly_name, date_created_ms)
VALUES ($1, $2, $3, $4)

-- name: set_account_status
UPDATE accounts SET status = $2 WHERE account_sid = $1 RETURNING account_sid
