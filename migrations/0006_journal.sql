-- The journal: what came in, and what it was answered. src/ledger/journal.rs says what each column holds. A row's id begins
-- with the time at which it came, so the table itself is in the order in which it is shown, and what is wide comes last.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  delivery TEXT,
  event TEXT,
  repository TEXT COLLATE NOCASE,
  trigger TEXT,
  outcome TEXT NOT NULL,
  code TEXT NOT NULL,
  status INTEGER NOT NULL,
  ms INTEGER NOT NULL,
  build TEXT,
  message TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_by_repository ON deliveries (repository);
CREATE INDEX deliveries_by_delivery ON deliveries (delivery);
CREATE INDEX deliveries_by_build ON deliveries (build) WHERE build IS NOT NULL;

-- How many answers each hour had of each code, by event; of what was not verified, by no event.
CREATE TABLE counts (
  hour INTEGER NOT NULL,
  event TEXT NOT NULL,
  code TEXT NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (hour, event, code)
) WITHOUT ROWID;

-- The messages of the queue `journal` that are in the two: a message may come twice.
CREATE TABLE journal_messages (id TEXT PRIMARY KEY) WITHOUT ROWID;
