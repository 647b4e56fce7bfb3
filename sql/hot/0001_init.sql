-- The hot database: a cache on a tmpfs, written by the daemons, read by anybody in group dsmil.
-- Runs under a driver and under `sqlite3 FILE < 0001_init.sql`, any number of times.
--
-- id of the four event tables is the ingest time: Unix milliseconds << 20, plus a counter. So retention by
-- ingest time is one range of the primary key, and `id >> 20` gives the milliseconds back.

PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA cache_size = -64000;
PRAGMA temp_store = MEMORY;

CREATE TABLE IF NOT EXISTS raw_events_fast (
  id          INTEGER PRIMARY KEY,
  ts          REAL    NOT NULL,
  event_id    TEXT    NOT NULL UNIQUE,
  device_id   INTEGER NOT NULL,
  layer       INTEGER NOT NULL,
  source      TEXT    NOT NULL,
  compartment TEXT    NOT NULL,
  category    TEXT    NOT NULL,
  severity    TEXT    NOT NULL,
  payload     BLOB    NOT NULL,            -- JSON, UTF-8
  token_id    INTEGER NOT NULL,
  clearance   INTEGER NOT NULL,
  processed   INTEGER NOT NULL DEFAULT 0   -- 0 or 1
);
CREATE INDEX IF NOT EXISTS idx_raw_ts        ON raw_events_fast (ts);
CREATE INDEX IF NOT EXISTS idx_raw_device    ON raw_events_fast (device_id, ts);
CREATE INDEX IF NOT EXISTS idx_raw_layer     ON raw_events_fast (layer, ts);
CREATE INDEX IF NOT EXISTS idx_raw_severity  ON raw_events_fast (severity, ts);
CREATE INDEX IF NOT EXISTS idx_raw_processed ON raw_events_fast (processed, ts);

CREATE TABLE IF NOT EXISTS model_outputs_fast (
  id          INTEGER PRIMARY KEY,
  ts          REAL    NOT NULL,
  output_id   TEXT    NOT NULL UNIQUE,
  device_id   INTEGER NOT NULL,
  layer       INTEGER NOT NULL,
  model       TEXT    NOT NULL,
  input_ref   TEXT,                        -- event_id of the first input
  output_json TEXT    NOT NULL,
  score       REAL,
  tops_used   REAL    NOT NULL DEFAULT 0,
  latency_ms  REAL,
  hardware    TEXT    NOT NULL DEFAULT 'CPU' CHECK (hardware IN ('NPU', 'GPU', 'CPU'))
);
CREATE INDEX IF NOT EXISTS idx_model_layer  ON model_outputs_fast (layer, ts);
CREATE INDEX IF NOT EXISTS idx_model_device ON model_outputs_fast (device_id, ts);
CREATE INDEX IF NOT EXISTS idx_model_model  ON model_outputs_fast (model, ts);

CREATE TABLE IF NOT EXISTS layer_state (
  layer          INTEGER PRIMARY KEY,
  active_devices TEXT    NOT NULL DEFAULT '[]',   -- JSON array of device ids
  memory_used_gb REAL    NOT NULL DEFAULT 0,
  tops_used      REAL    NOT NULL DEFAULT 0,
  tops_available REAL    NOT NULL DEFAULT 0,
  event_count    INTEGER NOT NULL DEFAULT 0,
  last_update    REAL
);
INSERT OR IGNORE INTO layer_state (layer, tops_available) VALUES
  (2, 102), (3, 50), (4, 65), (5, 105), (6, 160), (7, 440), (8, 188), (9, 330);

CREATE TABLE IF NOT EXISTS device_status (
  device_id      INTEGER PRIMARY KEY,
  layer          INTEGER NOT NULL,
  name           TEXT    NOT NULL,
  status         TEXT    NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'BUSY', 'ERROR')),
  memory_mb      REAL    NOT NULL DEFAULT 0,
  tops_allocated REAL    NOT NULL DEFAULT 0,
  last_heartbeat REAL    NOT NULL,
  metadata       TEXT    NOT NULL DEFAULT '{}'    -- JSON object
);

CREATE TABLE IF NOT EXISTS soc_events_cache (
  id             INTEGER PRIMARY KEY,
  ts             REAL    NOT NULL,
  event_id       TEXT    NOT NULL UNIQUE,
  severity       TEXT    NOT NULL,
  category       TEXT    NOT NULL,
  source_device  INTEGER NOT NULL,
  source_layer   INTEGER NOT NULL,
  signals        TEXT    NOT NULL DEFAULT '{}',   -- JSON objects from here on
  shrink_metrics TEXT    NOT NULL DEFAULT '{}',
  l8_enrichment  TEXT    NOT NULL DEFAULT '{}',
  payload        TEXT    NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS idx_soc_ts       ON soc_events_cache (ts);
CREATE INDEX IF NOT EXISTS idx_soc_severity ON soc_events_cache (severity, ts);

CREATE TABLE IF NOT EXISTS shrink_metrics (
  id                     INTEGER PRIMARY KEY,
  ts                     REAL NOT NULL,
  risk_acute_stress      REAL,                    -- null where SHRINK did not say
  crisis_level           REAL,
  lbi_hyperfocus_density REAL,
  sentiment_score        REAL,
  entropy                REAL,
  metrics_json           TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX IF NOT EXISTS idx_shrink_ts ON shrink_metrics (ts);

PRAGMA user_version = 1;
