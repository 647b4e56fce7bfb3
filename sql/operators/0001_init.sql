-- Who may use the suite, and with which tokens. Written by the API and by `dsmil user`.
-- A token is kept as the SHA-256 of its text alone: whoever reads this file holds no key.
CREATE TABLE teams (
    team_id TEXT PRIMARY KEY,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE operators (
    operator_id TEXT PRIMARY KEY,            -- a service operator is called token:<role>
    role TEXT NOT NULL CHECK (role IN ('observer', 'operator', 'supervisor', 'admin')),
    email TEXT,
    team_id TEXT REFERENCES teams,
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,               -- its public name, for lists and revoking
    operator_id TEXT NOT NULL REFERENCES operators ON DELETE CASCADE,
    sha256 BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL DEFAULT '',
    created_at REAL NOT NULL,
    expires_at REAL,                         -- null: never
    last_used_at REAL,
    revoked_at REAL
) WITHOUT ROWID;
CREATE INDEX idx_tokens_operator ON tokens (operator_id);
