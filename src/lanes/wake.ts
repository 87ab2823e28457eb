/**
 * CTEs that make lanes due for rows that have come into them: at the soonest of these rows' times, but not before the
 * lane opens (`open_until`). A lane that is due sooner keeps its time, so that it keeps its place in the queue, and is
 * not written. Lanes are locked in order of id, as all who lock several do, so that no two wait for each other in a
 * circle.
 *
 * The caller's statement is `with <rows> as (…), ${wakeLanes('<rows>')} …`; it uses the names `soonest`, `locked_lanes`
 * and `woken_lanes`.
 *
 * @param rows the name of a CTE with the columns `subscription_id` and `due_at`: rows without an owner, due now or later
 */
export function wakeLanes(rows: string): string {
  return `
    soonest as (select subscription_id, min(due_at) as due_at from ${rows} group by subscription_id),
    locked_lanes as (
      select l.subscription_id, s.due_at from lanes l join soonest s using (subscription_id)
      where l.due_at is null or l.due_at > greatest(s.due_at, l.open_until)
      order by l.subscription_id for no key update of l),
    woken_lanes as (
      update lanes l set due_at = greatest(k.due_at, l.open_until) from locked_lanes k
      where l.subscription_id = k.subscription_id
        and (l.due_at is null or l.due_at > greatest(k.due_at, l.open_until)))`
}
