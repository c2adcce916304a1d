-- Build requests that are kept from a build service that takes nothing, or has asked for a pause, until it is well: the cron
-- trigger puts them on the queue again, and then they are gone from here. src/ledger/held.rs says in which order.
CREATE TABLE held (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  build TEXT NOT NULL UNIQUE,
  -- Its full name, in lower case.
  repository TEXT NOT NULL,
  -- When it was queued first.
  queued_at INTEGER NOT NULL,
  held_at INTEGER NOT NULL,
  -- Since when somebody is putting it on the queue; 0 where nobody is.
  taken_at INTEGER NOT NULL DEFAULT 0,
  message TEXT NOT NULL
);
CREATE INDEX held_by_repository ON held (repository, queued_at);
CREATE INDEX held_by_age ON held (queued_at);
