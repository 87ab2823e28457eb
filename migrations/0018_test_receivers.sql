-- Receivers of this service's own, to try deliveries with. They are few, and end after a day.
create table test_receivers (
  id integer generated always as identity primary key,
  tenant text not null,
  name text,
  token text not null unique,                -- what makes the address one that nobody can guess
  url text not null unique,                  -- the whole address, as it was told; only this very text is this receiver
  answer jsonb not null,                     -- how requests are answered
  failures_left integer not null default 0,  -- of the next requests, how many are answered with a failure
  signing_secret text,                       -- sealed; null: that of the subscriptions that lead here
  received bigint not null default 0,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
) with (fillfactor = 50);
create index test_receivers_tenant on test_receivers (tenant);
create index test_receivers_end on test_receivers (expires_at);

-- What they got: the last hundred of each.
create table test_receiver_requests (
  id uuid primary key,                       -- UUIDv7
  receiver integer not null references test_receivers (id) on delete cascade,
  method text not null,
  query text,                                -- of the address, without the question mark
  headers jsonb not null,
  body bytea not null,
  body_bytes integer not null,               -- more than are kept where it was cut
  webhook_id text,                           -- as the header of this name says it
  subscription_id integer,                   -- whose secret verifies the signature
  signature text not null check (signature in ('valid', 'invalid', 'unchecked')),
  signature_detail text,
  status integer                             -- what was answered; null: the connection was closed without an answer
);
create index test_receiver_requests_of on test_receiver_requests (receiver, id);
create index test_receiver_requests_event on test_receiver_requests (webhook_id) where webhook_id is not null;

-- Which subscriptions lead to a receiver: only those whose address looks like one are in it.
create index subscriptions_to_test_receivers on subscriptions (target_url) where target_url like '%/t/%';

-- Of which attempts request and answer are remembered; null: as the settings of the service say.
alter table subscriptions add column capture text check (capture in ('failures', 'all', 'none'));
