-- How long what a tenant has is kept, where that is not as for all (docs/adr/0021-retention-per-tenant.md).
alter table tenants
  -- {"payload_hours", "log_hours", "details_hours", "audit_days"}, each left out where it is as for all. Null: all of them are.
  add column retention jsonb,
  -- Of such a tenant: no details are left of attempts before then. They are found by the log, which stays longer, so a walk
  -- that began at the oldest would meet what it has removed before again and again. Null: none were removed yet.
  add column details_removed_before timestamptz;
create index tenants_retention on tenants (serial) where retention is not null;
