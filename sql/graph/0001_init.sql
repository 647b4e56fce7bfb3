-- graph.db: what the projector knew at some moments, whole, and what it knows now, to look into. One writer.
-- Runs under a driver and under `sqlite3 FILE < 0001_init.sql`, any number of times.

-- Pictures as bytes (dsmil/graph/snapshot.py): the projector, the API and the command line begin with the newest.
CREATE TABLE IF NOT EXISTS snapshots (
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

-- Nodes and edges as they are now, a batch behind. `sequence`: the batch that wrote the row.
CREATE TABLE IF NOT EXISTS nodes (
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
CREATE INDEX IF NOT EXISTS idx_nodes_kind ON nodes (kind);

CREATE TABLE IF NOT EXISTS edges (
  id         TEXT PRIMARY KEY,
  kind       TEXT    NOT NULL,
  nodes      TEXT    NOT NULL,      -- JSON array of node ids
  weight     REAL    NOT NULL,
  labels     TEXT    NOT NULL,
  metadata   TEXT    NOT NULL,
  timestamp  REAL    NOT NULL,      -- last time it was seen
  sequence   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS idx_edges_kind ON edges (kind);

-- One row: how far the two tables above have come, and the SOC events counted by severity.
CREATE TABLE IF NOT EXISTS reached (
  one      INTEGER PRIMARY KEY CHECK (one = 1),
  epoch    TEXT    NOT NULL,
  sequence INTEGER NOT NULL,
  soc_id   TEXT    NOT NULL,        -- id of the last entry of SOC_EVENTS that was counted
  soc      TEXT    NOT NULL         -- JSON object
);
INSERT OR IGNORE INTO reached VALUES (1, '', 0, '0-0', '{}');

PRAGMA user_version = 1;
