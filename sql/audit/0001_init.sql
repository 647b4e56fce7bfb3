-- One audit segment. The first thing in it is where it stands in the chain; then only rows are added.

CREATE TABLE IF NOT EXISTS segment (
  number     INTEGER PRIMARY KEY,     -- 1, 2, 3... one row, this segment's
  day        TEXT    NOT NULL,        -- UTC date it was begun
  created_ts REAL    NOT NULL,
  first_seq  INTEGER NOT NULL,        -- seq of its first row
  prev_hash  BLOB    NOT NULL,        -- hash of the last row of the segment before; 32 zero bytes for the first
  sealed_ts  REAL,                    -- null while it is the open one
  last_seq   INTEGER,
  last_hash  BLOB
);

-- hash = BLAKE2b-256(hash of the row before || MessagePack array of the other columns in this order).
CREATE TABLE IF NOT EXISTS entity_audit_log (
  seq         INTEGER PRIMARY KEY,    -- runs on across segments, without gaps
  event_id    TEXT    NOT NULL UNIQUE,
  stream      TEXT    NOT NULL,       -- '' for a row the log wrote about itself
  stream_id   TEXT    NOT NULL,
  ts          REAL    NOT NULL,
  ingest_ts   REAL    NOT NULL,
  kind        TEXT    NOT NULL,
  source      TEXT    NOT NULL,
  recorded_ts REAL    NOT NULL,
  fault       TEXT    NOT NULL,       -- why the entry did not decode; '' where it did
  data        BLOB    NOT NULL,       -- the entry's bytes as they stood in the stream
  hash        BLOB    NOT NULL
);

-- Greatest entry id met on each stream, and the rows it gave, over all segments so far.
CREATE TABLE IF NOT EXISTS stream_heads (
  stream TEXT PRIMARY KEY,
  ms     INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  rows   INTEGER NOT NULL
) WITHOUT ROWID;

-- Signposts: every row of `stream` before `seq` has an entry id less than (ms, n).
CREATE TABLE IF NOT EXISTS stream_marks (
  stream TEXT    NOT NULL,
  ms     INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (stream, ms, n)
) WITHOUT ROWID;

PRAGMA user_version = 1;
