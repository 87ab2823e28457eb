-- What the search of events finds by. Which indexes there are, and which are not worth what they cost each event:
-- docs/adr/0015-searching-events.md.
--
-- ONLY: no row is read here and no event waits. Partitions made from now on have this index, and those without go with
-- retention. Until then the search reads more for the same (src/events/search.ts).

-- The newest events of a tenant. Those of the default one are found by the primary key: where it is the only one, which is
-- usual, they are all of them, and no event pays for another index.
create index events_of_tenant on only events (tenant, webhook_id) where tenant <> 'default';
-- The few that outlive their partition.
create index events_carried_of_tenant on events_carried (tenant, webhook_id);
create index events_carried_event_id on events_carried (event_id) where event_id is not null;
create index events_carried_idempotency_key on events_carried (idempotency_key) where idempotency_key is not null;
