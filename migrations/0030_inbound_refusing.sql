-- Of subscriptions with `inbound`: requests refused since the last one that was verified. Apart from
-- `subscriptions`, of which each change is told to all processes.
create table inbound_refusing (
  subscription integer primary key references subscriptions (id) on delete cascade,
  refused_in_a_row bigint not null default 0,
  refusing_since timestamptz,                -- the first of these
  told_at timestamptz                        -- when its owner was last told that it refuses
);
