BEGIN TRANSACTION;
CREATE TABLE device_status (
  device_id      INTEGER PRIMARY KEY,
  layer          INTEGER NOT NULL,
  name           TEXT    NOT NULL,
  status         TEXT    NOT NULL CHECK (status IN ('ONLINE', 'OFFLINE', 'BUSY', 'ERROR')),
  memory_mb      REAL    NOT NULL DEFAULT 0,
  tops_allocated REAL    NOT NULL DEFAULT 0,
  last_heartbeat REAL    NOT NULL,
  metadata       TEXT    NOT NULL DEFAULT '{}'    -- JSON object
);
CREATE TABLE layer_state (
  layer          INTEGER PRIMARY KEY,
  active_devices TEXT    NOT NULL DEFAULT '[]',   -- JSON array of device ids
  memory_used_gb REAL    NOT NULL DEFAULT 0,
  tops_used      REAL    NOT NULL DEFAULT 0,
  tops_available REAL    NOT NULL DEFAULT 0,
  event_count    INTEGER NOT NULL DEFAULT 0,
  last_update    REAL
);
INSERT INTO "layer_state" VALUES(2,'[]',0.0,0.0,102.0,0,NULL);
INSERT INTO "layer_state" VALUES(3,'[]',0.0,0.0,50.0,0,NULL);
INSERT INTO "layer_state" VALUES(4,'[]',0.0,0.0,65.0,0,NULL);
INSERT INTO "layer_state" VALUES(5,'[]',0.0,0.0,105.0,0,NULL);
INSERT INTO "layer_state" VALUES(6,'[]',0.0,0.0,160.0,0,NULL);
INSERT INTO "layer_state" VALUES(7,'[]',0.0,0.0,440.0,0,NULL);
INSERT INTO "layer_state" VALUES(8,'[]',0.0,0.0,188.0,0,NULL);
INSERT INTO "layer_state" VALUES(9,'[]',0.0,0.0,330.0,0,NULL);
CREATE TABLE model_outputs_fast (
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
CREATE TABLE raw_events_fast (
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
INSERT INTO "raw_events_fast" VALUES(1882448743948046561,1.79524301905434298517e+09,'event-1',15,3,'t','GENERAL','SECURITY','HIGH',X'7B2261223A317D',32813,50529027,0);
CREATE TABLE shrink_metrics (
  id                     INTEGER PRIMARY KEY,
  ts                     REAL NOT NULL,
  risk_acute_stress      REAL,                    -- null where SHRINK did not say
  crisis_level           REAL,
  lbi_hyperfocus_density REAL,
  sentiment_score        REAL,
  entropy                REAL,
  metrics_json           TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE soc_events_cache (
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
CREATE INDEX idx_raw_ts        ON raw_events_fast (ts);
CREATE INDEX idx_raw_device    ON raw_events_fast (device_id, ts);
CREATE INDEX idx_raw_layer     ON raw_events_fast (layer, ts);
CREATE INDEX idx_raw_severity  ON raw_events_fast (severity, ts);
CREATE INDEX idx_raw_processed ON raw_events_fast (processed, ts);
CREATE INDEX idx_model_layer  ON model_outputs_fast (layer, ts);
CREATE INDEX idx_model_device ON model_outputs_fast (device_id, ts);
CREATE INDEX idx_model_model  ON model_outputs_fast (model, ts);
CREATE INDEX idx_soc_ts       ON soc_events_cache (ts);
CREATE INDEX idx_soc_severity ON soc_events_cache (severity, ts);
CREATE INDEX idx_shrink_ts ON shrink_metrics (ts);
COMMIT;
PRAGMA user_version = 1;
