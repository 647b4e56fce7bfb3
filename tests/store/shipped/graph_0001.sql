BEGIN TRANSACTION;
CREATE TABLE edges (
  id         TEXT PRIMARY KEY,
  kind       TEXT    NOT NULL,
  nodes      TEXT    NOT NULL,      -- JSON array of node ids
  weight     REAL    NOT NULL,
  labels     TEXT    NOT NULL,
  metadata   TEXT    NOT NULL,
  timestamp  REAL    NOT NULL,      -- last time it was seen
  sequence   INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "edges" VALUES('he:meets:1','meets','["vessel:1"]',0.5,'{}','{}',2.0,2);
CREATE TABLE nodes (
  id         TEXT PRIMARY KEY,
  kind       TEXT    NOT NULL,
  lat        REAL,                  -- WGS-84 degrees
  lon        REAL,
  alt        REAL,                  -- metres
  frequency  REAL,                  -- MHz
  labels     TEXT    NOT NULL,      -- JSON objects
  metadata   TEXT    NOT NULL,
  created_at REAL    NOT NULL,      -- first and last time it was seen (Unix seconds)
  updated_at REAL    NOT NULL,
  sequence   INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "nodes" VALUES('vessel:1','vessel',54.0,10.0,NULL,NULL,'{"name":"ONE"}','{}',1.0,2.0,2);
CREATE TABLE reached (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  epoch    TEXT    NOT NULL,
  sequence INTEGER NOT NULL,
  soc_id   TEXT    NOT NULL,        -- id of the last entry of SOC_EVENTS that was counted
  soc      TEXT    NOT NULL         -- JSON object
);
INSERT INTO "reached" VALUES(1,'e1',2,'1700000000001-0','{"HIGH":1}');
CREATE TABLE snapshots (
  sequence   INTEGER PRIMARY KEY,   -- number of the last event in it
  epoch      TEXT    NOT NULL,      -- the run of numbers it belongs to
  ts         REAL    NOT NULL,      -- when dsmil first saw that event (Unix seconds)
  event_id   TEXT    NOT NULL,      -- that event; '' before the first
  created_ts REAL    NOT NULL,
  nodes      INTEGER NOT NULL,
  edges      INTEGER NOT NULL,
  bytes      INTEGER NOT NULL,
  checksum   TEXT    NOT NULL,      -- BLAKE2b-256, as the data says it too
  data       BLOB    NOT NULL
);
INSERT INTO "snapshots" VALUES(2,'e1',2.0,'event-2',3.0,1,1,4,'00',X'64617461');
CREATE INDEX idx_nodes_kind ON nodes (kind);
CREATE INDEX idx_edges_kind ON edges (kind);
COMMIT;
PRAGMA user_version = 1;
