-- Tenants that people make and delete, and tokens for the pages of their customers.

alter table tenants
  add column metadata jsonb not null default '{}',
  add column updated_at timestamptz not null default now(),
  -- In the order in which they were made: lists are read by it.
  add column serial integer generated always as identity unique,
  -- Deleted since then: it is no tenant any more, and what it has is being removed. Null: it is there.
  add column deleted_at timestamptz,
  -- From then on nothing was left of it but what the log names. The row stays until the log names nothing of it any more,
  -- so that no other tenant gets its id and reads what was its. Null: not yet, or not deleted.
  add column emptied_at timestamptz;

-- What is left of a deleted tenant is found by its tombstones.
create index subscription_tombstones_tenant on subscription_tombstones (tenant, id);

-- The keys of a tenant, for its lists and for its end.
create index api_keys_tenant on api_keys (tenant, id) where tenant is not null;

-- Short-lived access to what one tenant has, for a page of its own.
create table portal_tokens (
  id integer generated always as identity primary key,
  hash bytea not null unique,                                      -- SHA-256 of the token, which is shown once
  tenant text not null references tenants (id),
  read_only boolean not null,
  views text[],                                                    -- what the page shows; null: all
  created_at timestamptz not null default now(),
  expires_at timestamptz not null                                  -- refused from then on
);
create index portal_tokens_tenant on portal_tokens (tenant, id);
create index portal_tokens_expires on portal_tokens (expires_at);
