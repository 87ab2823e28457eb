-- Names that a tenant's sender can use once: the Idempotency-Key of a request, and the sender's own id of an event
-- (docs/adr/0016-names-that-are-taken-once.md). A row is written with its event, in one statement, and goes with its
-- partition.
--
-- One row for both names of an event, so that it takes both or none. Names are hashes of tenant, kind and name: an index
-- entry has one length, and nothing here can be read.
create table taken_names (
  period uuid not null,                      -- where its partition begins: a UUIDv7 of that time
  idempotency_key uuid,                      -- null: sent without one
  event_id uuid,                             -- null: sent without one
  request uuid,                              -- a hash of the whole request; with a key only
  webhook_id uuid not null,                  -- what the first request was answered with,
  deliveries integer not null                -- and this
) partition by range (period);
-- Partial, so that an event with one name costs one entry.
create unique index taken_names_idempotency_key on taken_names (idempotency_key, period) where idempotency_key is not null;
create unique index taken_names_event_id on taken_names (event_id, period) where event_id is not null;

-- While two partitions share their names an event takes its names in both. One that got them in one only must leave
-- nothing behind: its statement fails, and is run again.
create function refuse_half_taken(is_half boolean) returns boolean language plpgsql as $$
begin
  if is_half then
    raise exception 'names were taken by another event at this moment' using errcode = 'serialization_failure';
  end if;
  return true;
end $$;
