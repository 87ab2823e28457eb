-- Replays of many deliveries, that run beside the path.
create table replays (
  id uuid primary key,                       -- UUIDv7
  tenant text,                               -- whose deliveries; null: of all tenants
  filter jsonb not null,                     -- as it was asked for
  state text not null default 'counting' check (state in ('counting', 'running', 'done', 'cancelled')),
  rate_per_second integer,                   -- null: as fast as receivers take them
  total bigint,                              -- how many match; null: not counted yet
  queued bigint not null default 0,          -- of these, how many were owed again so far
  delivered bigint not null default 0,       -- and how many of them ended well,
  failed bigint not null default 0,          -- or not
  skipped bigint not null default 0,         -- matched when counted, and could not be sent again when their turn came
  after_webhook_id uuid,                     -- the last one that was looked at: what comes next is after it
  after_subscription_id integer,
  created_at timestamptz not null default now(),
  finished_at timestamptz
) with (fillfactor = 50);
-- Those that have something to do; a handful.
create index replays_open on replays (id) where state in ('counting', 'running');

-- What replays have owed again and what has not ended yet: at most some thousands.
create table replay_deliveries (
  replay uuid not null,
  webhook_id uuid not null,
  subscription_id integer not null,
  primary key (replay, webhook_id, subscription_id)
) with (autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 1000);

-- Dead letters, in order of their events. Only failures that ended a delivery are in it, so the happy path does not write it.
create index delivery_logs_dead on only delivery_logs (webhook_id, subscription_id) where verdict in ('given_up', 'expired');
