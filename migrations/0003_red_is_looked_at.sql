-- What is red is looked at again, too: whatever has a time for it.
DROP INDEX auto_deployments_waiting;
CREATE INDEX auto_deployments_to_look_at ON auto_deployments (look_at) WHERE look_at IS NOT NULL;
