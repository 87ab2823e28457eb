-- Sources: what providers send to. Each has an address of its own, and a way to tell its provider from others.
create table sources (
  id integer generated always as identity primary key,
  tenant text not null,
  name text not null,
  preset text not null,                      -- how its provider signs
  token text not null,                       -- sealed: what makes the address one that nobody can guess
  secrets jsonb not null,                    -- [{sealed, expires_at}], newest first
  settings jsonb not null,                   -- what else its owner has set
  enabled boolean not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  -- What came, written from time to time.
  accepted bigint not null default 0,
  repeated bigint not null default 0,        -- of the accepted ones, those that had been accepted before
  refused bigint not null default 0,
  last_accepted_at timestamptz,
  last_refused_at timestamptz,
  refused_in_a_row bigint not null default 0,  -- since one was accepted
  refusing_since timestamptz,                -- the first of these
  last_reason text,                          -- of the last of these
  told_at timestamptz                        -- when its owner was last told that it refuses
) with (fillfactor = 50);
create index sources_tenant on sources (tenant, id);

-- What they refused: the last of each.
create table source_refusals (
  id uuid primary key,                       -- UUIDv7
  source integer not null references sources (id) on delete cascade,
  reason text not null,
  method text not null,
  query text,                                -- of the address, without the question mark
  headers jsonb not null,
  body bytea not null,
  body_bytes integer not null                -- more than are kept where it was cut
);
create index source_refusals_of on source_refusals (source, id);
