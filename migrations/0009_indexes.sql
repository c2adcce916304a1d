-- What the cron triggers look for, so that their work grows with what they find and not with the tables.
CREATE INDEX dead_letters_waiting ON dead_letters (id) WHERE redriven_at IS NULL;
CREATE INDEX builds_ended ON builds (since) WHERE state NOT IN ('queued', 'in_progress');
CREATE INDEX of_jobs_by_age ON of_jobs (noted_at);
CREATE INDEX looks_by_age ON looks (looked_at);
CREATE INDEX auto_deployments_by_age ON auto_deployments (since);
CREATE INDEX missed_over ON missed (since) WHERE redeliver_at IS NULL;
