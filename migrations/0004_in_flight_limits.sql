-- How many requests at a time receivers are best served with, as processes found out: for people to see, and for the
-- processes after them to begin with. A row of a subscription is written some seconds after its limit has changed.
create table in_flight_limits (
  subscription_id integer not null,
  process integer not null,
  found integer not null,                    -- of this process alone
  reason text not null,
  updated_at timestamptz not null default now(),
  primary key (subscription_id, process)
) with (fillfactor = 50);
