-- What came to POST /ingest/{id} of subscriptions with `inbound` and was refused: the last of each, as sources keep them.
create table inbound_refusals (
  id uuid primary key,                       -- UUIDv7
  subscription integer not null references subscriptions (id) on delete cascade,
  reason text not null,
  method text not null,
  query text,                                -- of the address, without the question mark
  headers jsonb not null,
  body bytea not null,
  body_bytes integer not null                -- more than are kept where it was cut
);
create index inbound_refusals_of on inbound_refusals (subscription, id);
