-- What became of each build request, from the queue to what the build service reports of it. src/ledger/builds.rs says
-- what each column holds.
CREATE TABLE builds (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  -- Of two who change a row at once, the second one finds another version, and looks anew.
  version INTEGER NOT NULL DEFAULT 0,
  repository_id INTEGER NOT NULL,
  repository TEXT NOT NULL COLLATE NOCASE,
  sha TEXT NOT NULL,
  ref TEXT NOT NULL,
  deployment INTEGER,
  environment TEXT,
  delivery TEXT NOT NULL,
  request TEXT NOT NULL,
  state TEXT NOT NULL,
  description TEXT NOT NULL,
  log_url TEXT,
  environment_url TEXT,
  is_ended_by_report INTEGER NOT NULL DEFAULT 0,
  queued_at INTEGER NOT NULL,
  handed_over_at INTEGER,
  reported_at INTEGER,
  since INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  answer TEXT,
  -- What is to be said on GitHub yet, a JSON list, and when that is asked for again.
  unsaid TEXT NOT NULL,
  tell_at INTEGER,
  -- Who is saying it, until when, and how many have begun and not said how it ended.
  telling_until INTEGER NOT NULL DEFAULT 0,
  unsure INTEGER NOT NULL DEFAULT 0,
  on_github TEXT,
  github_error TEXT
);
CREATE INDEX builds_by_name ON builds (repository);
-- What may have gone silent, and what was not said: few of all rows.
CREATE INDEX builds_open ON builds (queued_at) WHERE state IN ('queued', 'in_progress');
CREATE INDEX builds_to_tell ON builds (tell_at) WHERE tell_at IS NOT NULL;

-- The builds of deployments that a GitHub Actions job made: Actions itself writes their statuses.
CREATE TABLE of_jobs (
  build TEXT PRIMARY KEY,
  noted_at INTEGER NOT NULL
) WITHOUT ROWID;

-- The repositories in which GitHub lets the gate say nothing: that is logged once, and not for each build.
CREATE TABLE refusals (
  repository TEXT PRIMARY KEY COLLATE NOCASE,
  refused_at INTEGER NOT NULL
) WITHOUT ROWID;

-- What the gate has to remember once, such as that the build service reports.
CREATE TABLE marks (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;
