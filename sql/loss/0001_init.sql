-- What was lost, or may have been, as far as anybody noticed. Beside the audit segments.

CREATE TABLE IF NOT EXISTS loss_log (
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
CREATE INDEX IF NOT EXISTS idx_loss_ts ON loss_log (ts);

-- The random identity each stream had when it was last audited: another one means that Redis lost it.
CREATE TABLE IF NOT EXISTS stream_epochs (
  stream TEXT PRIMARY KEY,
  epoch  TEXT NOT NULL
) WITHOUT ROWID;

PRAGMA user_version = 1;
