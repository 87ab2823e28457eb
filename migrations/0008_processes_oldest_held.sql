-- From when on rows may lie that are leased to the process: who cleans up after it reads no older ones.
alter table processes add column oldest_held_at timestamptz;

-- What is left of a deleted subscription for as long as the log names it.
create table if not exists subscription_tombstones (
  id integer primary key,
  tenant text not null,
  uid text,
  target_url text not null,
  deleted_at timestamptz not null default now()
);
