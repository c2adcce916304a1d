-- The console's sessions that were ended before their time: all others are known by their signature alone.
CREATE TABLE ended_sessions (
  id TEXT PRIMARY KEY,
  until INTEGER NOT NULL
) WITHOUT ROWID;
