BEGIN TRANSACTION;
CREATE TABLE loss_log (
  id       INTEGER PRIMARY KEY,
  ts       REAL    NOT NULL,              -- when it was noticed
  kind     TEXT    NOT NULL,              -- trimmed_unread, group_lost, stream_replaced, id_ahead, ...
  stream   TEXT    NOT NULL DEFAULT '',
  reader   TEXT    NOT NULL DEFAULT '',   -- the group that met it
  first_id TEXT    NOT NULL DEFAULT '',
  last_id  TEXT    NOT NULL DEFAULT '',
  count    INTEGER,                       -- entries; null where nobody can know
  detail   TEXT    NOT NULL DEFAULT '',
  digest   TEXT    NOT NULL UNIQUE        -- of all the above, so a report told twice is one row
);
INSERT INTO "loss_log" VALUES(1,1.0,'trimmed','L3_IN','l3','1-0','2-0',2,'a test row','6ce313ca4963040100bd9f32366e5971');
CREATE TABLE stream_epochs (
  stream TEXT PRIMARY KEY,
  epoch  TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "stream_epochs" VALUES('L3_IN','e1');
CREATE INDEX idx_loss_ts ON loss_log (ts);
COMMIT;
PRAGMA user_version = 1;
