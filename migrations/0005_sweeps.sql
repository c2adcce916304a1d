-- How far GitHub's list of a webhook's deliveries was looked at. src/ledger/sweeps.rs says what each column holds.
CREATE TABLE places (
  hook TEXT PRIMARY KEY,
  -- All that was delivered before is known.
  seen_until INTEGER NOT NULL,
  -- Where a list was too long to be looked at to its end: where it goes on, and until when.
  cursor TEXT,
  cursor_until INTEGER
) WITHOUT ROWID;

-- The deliveries that failed, and what has become of them. One GUID is one event, by whichever webhook it came.
CREATE TABLE missed (
  guid TEXT PRIMARY KEY,
  hook TEXT NOT NULL,
  repository_id INTEGER,
  delivery INTEGER NOT NULL,
  event TEXT NOT NULL,
  status_code INTEGER NOT NULL,
  delivered_at INTEGER NOT NULL,
  state TEXT NOT NULL,
  since INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  redeliver_at INTEGER
) WITHOUT ROWID;
CREATE INDEX missed_due ON missed (redeliver_at) WHERE redeliver_at IS NOT NULL;

-- The last sweeps.
CREATE TABLE sweeps (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  by_operator INTEGER NOT NULL,
  hooks INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  missed INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  redelivering INTEGER NOT NULL,
  given_up INTEGER NOT NULL,
  is_cut INTEGER NOT NULL,
  problems TEXT NOT NULL
);
