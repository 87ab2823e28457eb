-- The index of lanes, by an expression that no other index has. As a plain column subscription_id is in the primary
-- key, too, and while the planner takes `owed` for empty (it was when it was last vacuumed) reading all of that key
-- seems as cheap to it as a probe of this index: 40,000 pages for one look at a lane. Statements about what waits in
-- lanes say `subscription_id + 0`, and then there is only this index to take.
drop index owed_due;
create index owed_due on owed ((subscription_id + 0), due_at, webhook_id) where owner is null;
