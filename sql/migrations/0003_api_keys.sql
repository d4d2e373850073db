-- API keys of accounts. Like accounts they belong to no workspace, and few are ever there: no tuning.

CREATE TABLE api_keys (
    key_sid text COLLATE "C" PRIMARY KEY,
    account_sid text COLLATE "C" NOT NULL,
    secret_encrypted bytea NOT NULL,
    friendly_name text NOT NULL DEFAULT '',
    date_created_ms bigint NOT NULL,
    date_updated_ms bigint NOT NULL
);

-- Lists and counts are by account, in the order of creation.
CREATE INDEX api_keys_by_account ON api_keys (account_sid, key_sid);
