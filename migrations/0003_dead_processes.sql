-- Processes that were declared dead, for as long as something may be left that they held. Small: nearly always empty.
-- Apart from `processes`, where a row means that nobody has declared its process dead.
create table dead_processes (
  id integer primary key,
  held_from timestamptz,                     -- nothing it held is older; null: it has not said so
  freed_at timestamptz                       -- when all that was found went to the lanes; null: not yet
);
