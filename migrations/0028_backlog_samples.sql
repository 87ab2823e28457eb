-- How much waited, and for how long the oldest one due, once a minute, of the whole installation (src/stats/backlog.ts).
create table backlog_samples (
  minute int4 primary key,      -- whole minutes since 1970
  pending int4 not null,        -- counted up to a bound, as in GET /stats
  oldest_due_seconds int4       -- null: nothing was due
);
