-- The ledger of ingested files: one row for each round over a file's content.
-- state: open (being read), published (all its events are out), done (and its file put away).
CREATE TABLE files (
    sha256 TEXT NOT NULL,
    family TEXT NOT NULL,
    loop INTEGER NOT NULL,
    path TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'published', 'done')),
    seq INTEGER NOT NULL DEFAULT 0,
    offset INTEGER NOT NULL DEFAULT 0,
    received INTEGER NOT NULL DEFAULT 0,
    accepted INTEGER NOT NULL DEFAULT 0,
    begun_ts REAL NOT NULL,
    ended_ts REAL,
    PRIMARY KEY (sha256, family, loop)
) WITHOUT ROWID;
