-- Roll-ups of the log: how many attempts went well and how long they took, by subscription and by tenant, for each minute,
-- quarter of an hour, hour and day. One process writes them from the log, beside the path (docs/adr/0024-roll-ups.md).
--
-- `step` is the length of a period in minutes (1, 15, 60, 1440), `minute` its beginning: whole minutes since 1970, so
-- to_timestamp(minute * 60::bigint). A period without attempts has no row.
--
-- `cells` is a histogram: how many attempts ended in one way (0: success, else a class of error; src/stats/tally.ts) and took
-- about as long (src/stats/latency.ts). An element is (way * 512 + bucket of the duration) << 36 | number of attempts.

create table subscription_stats (
  last_success_at timestamptz,               -- of the attempts of this period; null: none
  minute integer not null,
  subscription_id integer not null,
  success integer not null,
  failed integer not null,
  given_up integer not null,                 -- of the failed ones: those after which the delivery was given up
  step smallint not null,
  cells bigint[] not null,
  -- Periods end one after the other, so rows and keys are appended. What is read are known periods of one subscription,
  -- a probe each. By subscription first, each minute would write to as many pages of the index as subscriptions are active.
  primary key (step, minute, subscription_id)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);
-- Who fails most: only those that fail are read.
create index subscription_stats_failed on subscription_stats (step, minute) include (subscription_id, failed) where failed > 0;

create table tenant_stats (
  last_success_at timestamptz,
  success bigint not null,
  failed bigint not null,
  given_up bigint not null,
  minute integer not null,
  step smallint not null,
  tenant text not null,                      -- '*': all tenants together
  cells bigint[] not null,
  primary key (step, minute, tenant)
) with (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05);

-- The periods that are rolled up. The last one of each step says how far that has come.
create table stats_periods (
  log_rows bigint,                           -- of a minute: how many rows the log had; more were committed late since then
  minute integer not null,
  step smallint not null,
  checks smallint not null default 0,        -- of a minute: how often its log was counted again
  is_stale boolean not null default false,   -- a minute in it has changed: to be made again
  primary key (step, minute)
);
