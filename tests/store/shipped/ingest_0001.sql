BEGIN TRANSACTION;
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
INSERT INTO "files" VALUES('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','ais',0,'one.nmea','published',3,0,4,3,1700000000.0,1700000000.0);
COMMIT;
PRAGMA user_version = 1;
