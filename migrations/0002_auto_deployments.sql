-- Of which queue a dead letter is: `builds` or `github`.
ALTER TABLE dead_letters ADD COLUMN queue TEXT NOT NULL DEFAULT 'builds';

-- What became of the commits that the gate may deploy: one row for each repository, commit and environment.
-- src/ledger/auto_deployments.rs says what each column holds.
CREATE TABLE auto_deployments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository_id INTEGER NOT NULL,
  repository TEXT NOT NULL COLLATE NOCASE,
  sha TEXT NOT NULL,
  environment TEXT NOT NULL COLLATE NOCASE,
  branch TEXT NOT NULL,
  state TEXT NOT NULL,
  reason TEXT NOT NULL,
  deployment INTEGER,
  delivery TEXT,
  first_seen_at INTEGER NOT NULL,
  since INTEGER NOT NULL,
  look_at INTEGER,
  claims INTEGER NOT NULL DEFAULT 0,
  lease_until INTEGER NOT NULL DEFAULT 0,
  UNIQUE (repository_id, sha, environment)
);
-- What is to be looked at again: few of all rows.
CREATE INDEX auto_deployments_waiting ON auto_deployments (look_at) WHERE state = 'waiting';
-- What was deployed last, and who is just about to deploy.
CREATE INDEX auto_deployments_by_environment ON auto_deployments (repository_id, environment, state);
CREATE INDEX auto_deployments_by_name ON auto_deployments (repository);

-- When a commit was looked at last: many signs come at once, and one look does for them all.
CREATE TABLE looks (
  -- The full name in lower case, and not the id: that is whatever a payload says.
  repository TEXT NOT NULL,
  sha TEXT NOT NULL,
  looked_at INTEGER NOT NULL,
  PRIMARY KEY (repository, sha)
) WITHOUT ROWID;
