-- What the service has to tell of itself: a receiver fails, was disabled, is well again; deliveries were given up
-- (docs/guides/system-events.md). A row is written by the statement that brings the thing about, so there is one for each,
-- and goes in the transaction that writes its event. So it is nearly always empty.
create table system_facts (
  id bigint generated always as identity primary key,
  type text not null,                        -- of the event that tells of it
  at timestamptz not null,
  subscription_id integer,                   -- whom it concerns; its tenant is that of the subscription
  webhook_id uuid,                           -- of a delivery: its event,
  attempt_id uuid,                           -- and the row of the log that ended it
  data json                                  -- what else there is to say
) with (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 1000);

-- In which form a subscription gets its events.
alter table subscriptions add column format text not null default 'raw';
