-- When the build service was asked last to take a build.
ALTER TABLE builds ADD COLUMN attempted_at INTEGER;
-- Whether GitHub's list has another failed delivery of the event, after one of them was asked for again.
ALTER TABLE missed ADD COLUMN failed_again INTEGER NOT NULL DEFAULT 0;
CREATE INDEX missed_failing ON missed (delivered_at) WHERE state <> 'delivered' AND failed_again > 0;
