-- When the oldest event came of which a process holds a delivery, told with each heartbeat. Ids of events begin with
-- their time, so whoever cleans up after a dead process reads a range of the key of owed instead of all of it.
-- Null: not known, as of a process that does not tell it; then all of it is read.
alter table processes add column oldest_held_at timestamptz;
