-- What was to be put on a queue that did not take it in time: the cron trigger does, and then it is gone from here.
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  -- `builds` or `github`.
  queue TEXT NOT NULL,
  kept_at INTEGER NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX outbox_by_queue ON outbox (queue, id);
