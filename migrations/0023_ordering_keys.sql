-- Order by key: events of a subscription that have the same key go one at a time, in order of acceptance
-- (docs/adr/0026-order-by-key.md). A process of the release before this one delivers such rows as all others, in no order.
alter table subscriptions add column ordering_key text;            -- where an event's key stands; null: no order by key

-- Null in nearly every row, which takes no room: the bitmap of nulls has two bytes with nine columns as with eleven.
alter table owed add column ordering_key text;                     -- of this event, for this subscription; null: not ordered
-- The row's place among those of its key, where `due_at` says something else: the time of a retry, or, of a row that waits
-- behind its key, `parkedAt` (src/lanes/parked.ts).
alter table owed add column place_at timestamptz;
create index owed_placed on owed ((subscription_id + 0), ordering_key, place_at, webhook_id) where place_at is not null;
