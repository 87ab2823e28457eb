-- Expungings of what all events before a moment hold, that run beside the path.
create table expunges (
  id uuid primary key,                       -- UUIDv7
  tenant text,                               -- whose events; null: of all tenants
  before timestamptz not null,               -- events that were accepted before then
  state text not null default 'running' check (state in ('running', 'done')),
  events bigint not null default 0,          -- whose payload is gone now
  deliveries bigint not null default 0,      -- that were still owed, and have ended
  after_webhook_id uuid,                     -- the last one that was looked at: what comes next is after it
  created_at timestamptz not null default now(),
  finished_at timestamptz
) with (fillfactor = 50);
-- Those that have something to do; a handful.
create index expunges_open on expunges (id) where state = 'running';
