-- Build requests that could not be handed to the origin, and why. src/ledger/dead_letters.rs says what each
-- column holds.
CREATE TABLE dead_letters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- Storing a message a second time, because its acknowledgement was lost, changes nothing.
  message_id TEXT NOT NULL UNIQUE,
  build TEXT,
  repository TEXT,
  reason TEXT NOT NULL,
  detail TEXT,
  status INTEGER,
  answer TEXT,
  attempts INTEGER,
  stored_at TEXT NOT NULL,
  redriven_at TEXT,
  message TEXT NOT NULL
);
