-- Of a run whose next attempt a person wanted at once: what its other attempts say, which come by themselves. Null in nearly
-- every row, which takes no room (see 0023).
alter table owed add column run_trigger attempt_trigger;
