-- Sessions of browsers that use the dashboard: an API key was exchanged for a cookie. One ends with its key.
create table ui_sessions (
  hash bytea primary key,                                          -- SHA-256 of what is in the cookie
  key_id integer not null references api_keys (id) on delete cascade,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null                                  -- refused from then on
);
create index ui_sessions_key on ui_sessions (key_id);
create index ui_sessions_expires on ui_sessions (expires_at);
