-- Who changed what, when, from what to what. An entry is written in the transaction of its change. Append only, and
-- dropped by whole partitions after AUDIT_RETENTION_DAYS.
create table audit_log (
  -- UUIDv7 of the database's time, with microseconds: in the order in which one transaction wrote its entries.
  id uuid primary key,
  at timestamptz not null,                   -- the time in the id
  actor_kind text not null,                  -- operator, key, portal_token
  actor_id text,                             -- of the key or token; null: an operator without one
  actor_name text not null,                  -- as it was then: keys can be deleted
  action text not null,                      -- subject.verb, such as subscription.updated
  tenant text,                               -- whose thing it is; null: of the whole installation
  subject_kind text not null,
  subject_id text,                           -- null: there is only one
  -- [{"field", "before", "after"}], values of secrets left out. json, not jsonb: it is read whole, and takes any text.
  changes json not null,
  more_changes integer not null default 0    -- fields that differed besides those in changes
) partition by range (id);
-- Each filter of GET /audit reads its entries newest first, and no others.
create index audit_log_tenant on audit_log (tenant, id);
create index audit_log_subject on audit_log (subject_kind, subject_id, id);
create index audit_log_kind on audit_log (subject_kind, id);
create index audit_log_actor on audit_log (actor_kind, actor_id, id);
create index audit_log_action on audit_log (action, id);

-- The catalogue of event types: what they are for, and the JSON Schema that their payloads fit.
create table event_types (
  id integer generated always as identity primary key,
  tenant text references tenants (id) on delete cascade,           -- null: of the installation, for all tenants
  name text not null,
  description text,
  schema json,                                                     -- 2020-12; json, not jsonb: shown as it was given
  examples json not null default '[]',
  deprecated boolean not null default false,
  validate text not null default 'off' check (validate in ('off', 'reject')),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version integer not null default 1,
  unique nulls not distinct (tenant, name)
);
-- Every process knows which types are checked; the others stay here.
create index event_types_checked on event_types (id) where validate = 'reject';
-- Those of tenants that stand in for one of the installation.
create index event_types_name on event_types (name);

-- A trigger, and not a statement of the program, so that nobody can forget it: types also go with their tenant.
create function tell_event_type_change() returns trigger language plpgsql as $$
begin
  perform pg_notify('event_types', coalesce(case when tg_op = 'DELETE' then old.tenant else new.tenant end, ''));
  return null;
end $$;
create trigger event_types_changed after insert or update or delete on event_types
  for each row execute function tell_event_type_change();
