BEGIN TRANSACTION;
CREATE TABLE entity_audit_log (
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
INSERT INTO "entity_audit_log" VALUES(1,'event-0','SOC_EVENTS','1700000000000-0',1.5,2.5,'ais.position','t',1700000000.0,'',X'7B226E223A307D',X'ACBC6E246576C4A3F035D97F7EA4E41927F647C7FCDCF66989EAAA32A23D9144');
INSERT INTO "entity_audit_log" VALUES(2,'event-1','L3_IN','1700000000001-0',1.5,2.5,'ais.position','t',1700000000.0,'',X'7B226E223A317D',X'AA6F902ECB4BFD1208CEFA7170B96959BE3D734F32C482E998D18004CE9BB6C9');
INSERT INTO "entity_audit_log" VALUES(3,'event-2','SOC_EVENTS','1700000000002-0',1.5,2.5,'ais.position','t',1700000000.0,'',X'7B226E223A327D',X'D24FDBBD767ACA686813C5E4523999BBE26B608D4411C03AC3FCCA5F793FD83C');
INSERT INTO "entity_audit_log" VALUES(4,'event-3','L3_IN','1700000000003-0',1.5,2.5,'ais.position','t',1700000000.0,'',X'7B226E223A337D',X'275359DDABDB8BD1DFEA3D6CA3FADA718A61A6A50411C8C8FD0575B44224E8D4');
INSERT INTO "entity_audit_log" VALUES(5,'event-4','SOC_EVENTS','1700000000004-0',1.5,2.5,'ais.position','t',1700000000.0,'',X'7B226E223A347D',X'ADB2346BC23846F14E5F060F6A8405168BC76A19FC4F07086019286F2570E98E');
CREATE TABLE segment (
  number     INTEGER PRIMARY KEY,     -- 1, 2, 3... one row, this segment's
  day        TEXT    NOT NULL,        -- UTC date it was begun
  created_ts REAL    NOT NULL,
  first_seq  INTEGER NOT NULL,        -- seq of its first row
  prev_hash  BLOB    NOT NULL,        -- hash of the last row of the segment before; 32 zero bytes for the first
  sealed_ts  REAL,                    -- null while it is the open one
  last_seq   INTEGER,
  last_hash  BLOB
);
INSERT INTO "segment" VALUES(1,'2023-11-14',1700000000.0,1,X'0000000000000000000000000000000000000000000000000000000000000000',NULL,NULL,NULL);
CREATE TABLE stream_heads (
  stream TEXT PRIMARY KEY,
  ms     INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  rows   INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO "stream_heads" VALUES('L3_IN',1700000000003,0,2);
INSERT INTO "stream_heads" VALUES('SOC_EVENTS',1700000000004,0,3);
CREATE TABLE stream_marks (
  stream TEXT    NOT NULL,
  ms     INTEGER NOT NULL,
  n      INTEGER NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (stream, ms, n)
) WITHOUT ROWID;
INSERT INTO "stream_marks" VALUES('L3_IN',1700000000001,0,1);
INSERT INTO "stream_marks" VALUES('SOC_EVENTS',1700000000000,0,1);
COMMIT;
PRAGMA user_version = 1;
