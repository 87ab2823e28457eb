-- What a sender may say of an event that it publishes. Null for nearly all events, where a null takes no space.
--
-- owed.replayed_at is when a run began that did not begin with the acceptance of its event: for a replay, and from now on
-- for an event that was scheduled, whose run begins when it is due. There replay_from is null, as it is a first run.
alter table events
  add column event_id text,                  -- the sender's own name for it, unique per tenant
  add column idempotency_key text,
  add column deliver_at timestamptz;         -- not before then; null: at once
alter table events_carried
  add column event_id text,
  add column idempotency_key text,
  add column deliver_at timestamptz;
-- Retention looks for scheduled events before it drops a partition: those whose time has come since are kept on. Partitions
-- of today have none of them, so only those that are made from now on need it; an event without a time is not in it.
create index events_deliver_at on only events (deliver_at, webhook_id) where deliver_at is not null;
