-- A subscription that is resumed without what waited for it: that ends as cancelled beside the path, and meanwhile its lane is
-- held (src/lanes/discard-waiting.ts).
create table lane_discards (
  subscription_id integer primary key,
  began_before timestamptz not null,         -- runs that began before this moment end
  waiting bigint,                            -- how many waited then; null: more than could be counted
  ended bigint not null default 0            -- of these, so far
) with (fillfactor = 50);

-- Of a replay: counted, and no more there when their turn came. `skipped` are those that were there and could not be sent.
alter table replays add column gone bigint not null default 0;
