BEGIN TRANSACTION;
CREATE TABLE operators (
    operator_id TEXT PRIMARY KEY,            -- a service operator is called token:<role>
    role TEXT NOT NULL CHECK (role IN ('observer', 'operator', 'supervisor', 'admin')),
    email TEXT,
    team_id TEXT REFERENCES teams,
    created_at REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "operators" VALUES('ada','supervisor','ada@example.org','watch',1700000000.0);
INSERT INTO "operators" VALUES('token:operator','operator',NULL,NULL,1700000000.0);
CREATE TABLE teams (
    team_id TEXT PRIMARY KEY,
    created_at REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "teams" VALUES('watch',1700000000.0);
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
INSERT INTO "tokens" VALUES('0a1b2c3d4e5f','token:operator',X'0F007385B6F9D4B7EEB2748605AFE1A984A0A3BFA3F014D09E2A784CE9E5CD1A','feed',1700000000.0,NULL,NULL,NULL);
CREATE INDEX idx_tokens_operator ON tokens (operator_id);
COMMIT;
PRAGMA user_version = 1;
