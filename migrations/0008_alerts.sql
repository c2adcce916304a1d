-- What somebody was told last of each kind of trouble. src/alerts/decide.rs says what follows from it.
CREATE TABLE alerts (
  kind TEXT PRIMARY KEY,
  is_open INTEGER NOT NULL,
  newest INTEGER NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;
