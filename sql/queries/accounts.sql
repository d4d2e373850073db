-- Accounts: no workspace's data, so the one key without a workspace_sid.

-- name: all_accounts
SELECT account_sid, auth_token_encrypted
FROM accounts
WHERE status = 'active'
ORDER BY date_created_ms, account_sid

-- name: get_account
SELECT auth_token_encrypted FROM accounts WHERE account_sid = $1 AND status = 'active'

-- name: put_account
INSERT INTO accounts (account_sid, auth_token_encrypted, date_created_ms)
VALUES ($1, $2, $3)
ON CONFLICT (account_sid) DO UPDATE SET auth_token_encrypted = excluded.auth_token_encrypted
