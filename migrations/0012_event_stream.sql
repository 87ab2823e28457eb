-- The event stream (GET /stream) reads what is written in the order of its ids. Ids are made before their rows are
-- committed, so it needs to know up to which id nothing is missing any more: docs/adr/0020-the-stream-reads-up-to-a-horizon.md.

-- From when on a process has ids without rows, said with each heartbeat. Null: of a release that does not say it.
alter table processes add column unwritten_from timestamptz;
alter table dead_processes add column unwritten_from timestamptz;
alter table dead_processes add column died_at timestamptz not null default now();

-- Each change of the state of a subscription, as the stream tells of it. Whose it is says its subscription, or its
-- tombstone. Kept as long as the log.
create table subscription_changes (
  id uuid primary key,                       -- UUIDv7
  subscription_id integer not null,
  paused_before boolean not null,
  paused boolean not null,
  state_before text not null,
  state text not null,
  reason text
);

-- A trigger, so that nobody can forget it: a person, the service, an older program beside this one. The id is made when the
-- row of the subscription is written already.
create function note_subscription_change() returns trigger language plpgsql as $$
begin
  insert into subscription_changes (id, subscription_id, paused_before, paused, state_before, state, reason)
  values (
    (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
     || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14, 19))::uuid,
    new.id, old.paused, new.paused, old.state, new.state, new.state_reason);
  return null;
end $$;
create trigger subscriptions_changed after update of state, paused on subscriptions
  for each row when (new.state <> old.state or new.paused <> old.paused) execute function note_subscription_change();
