-- The ownership check: a receiver says that it wants what is sent to it, before anything is (docs/adr/0027-ownership-check.md).
alter table subscriptions add column verification jsonb;  -- what was asked and answered; null: it was never asked
alter table tenants
  -- Of subscriptions of this tenant; null: as the setting OWNERSHIP_CHECK says.
  add column ownership_check text check (ownership_check in ('off', 'challenge', 'cloudevents')),
  -- When it may ask as often again as at first; null: it may.
  add column checks_full_at timestamptz;
