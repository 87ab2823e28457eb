/**
 * CTEs that make lanes due for rows that have just come into them: at the soonest of these rows' times, but not before
 * the lane opens (`open_until`). A lane that is due sooner keeps its time, and so its place in the queue; it is neither
 * written nor locked. A leased lane is lowered, too: so its holder, who may have read past these rows, gives it back due.
 *
 * The caller's statement is `with <rows> as (…), ${wakeLanes('<rows>')} …`. The CTEs are called `soonest`,
 * `locked_lanes` and `woken_lanes`, and in the other two `made_lanes`. The statement must not write `lanes` besides: of two writes to one row in one
 * statement PostgreSQL makes one and silently leaves out the other.
 *
 * @param rows the name of a CTE with the columns `subscription_id` and `due_at`: rows without an owner, due now or later
 */
export function wakeLanes(rows: string): string {
  const isLate = (due: string) => `(l.due_at is null or l.due_at > greatest(${due}, l.open_until))`
  return wake(rows, isLate)
}

/**
 * The same for one row, whose values are parameters of the statement: a CTE called `woken_lane`. It locks one lane, so
 * there is no order to keep to, and a wait for its lock is followed by another look at the condition.
 *
 * @param subscriptionId and dueAt: SQL expressions
 */
export function wakeLane(subscriptionId: string, dueAt: string): string {
  return `woken_lane as (
        update lanes l set due_at = greatest(${dueAt}, l.open_until)
        where l.subscription_id = ${subscriptionId} and (l.due_at is null or l.due_at > greatest(${dueAt}, l.open_until)))`
}

/**
 * The same for rows that come back into their lanes. The subscription may have been deleted meanwhile, and its lane have
 * ended: a new one is made, due at once, so that these rows end, too (`drainDeleted`). With wakeLanes alone nobody would
 * know of them until the next repair. Rows of new events do without: their subscription was there a moment ago.
 */
export function wakeOrMakeLanes(rows: string): string {
  return `${wakeLanes(rows)},
    ${makeMissingLanes}`
}

/**
 * The same for rows that were found waiting, however long they may have waited. Whoever has leased a lane reads them by
 * itself, and a lane that is due already gets to them: neither is written.
 */
export function wakeForgottenLanes(rows: string): string {
  const isForgotten = (due: string) =>
    `l.owner is null and (l.due_at is null or l.due_at > greatest(${due}, l.open_until, now()))`
  return `${wake(rows, isForgotten)},
    ${makeMissingLanes}`
}

// LATERAL with a limit keeps the planner at one probe of the key per lane, whatever it believes of the table.
const makeMissingLanes = `made_lanes as (
      insert into lanes (subscription_id, due_at)
      select s.subscription_id, now() from soonest s
      left join lateral (select true as is_there from lanes l where l.subscription_id = s.subscription_id limit 1) l on true
      where l.is_there is null
      on conflict do nothing)`

/** The condition stands twice: the first keeps other lanes from being locked, the second sees what a wait has changed. */
function wake(rows: string, isWrong: (due: string) => string): string {
  // Locked in order of id, as by all who lock several lanes, so that no two wait for each other in a circle.
  return `
    soonest as (select subscription_id, min(due_at) as due_at from ${rows} group by subscription_id),
    locked_lanes as (
      select l.subscription_id, s.due_at from lanes l join soonest s using (subscription_id)
      where ${isWrong('s.due_at')}
      order by l.subscription_id for no key update of l),
    woken_lanes as (
      update lanes l set due_at = greatest(k.due_at, l.open_until) from locked_lanes k
      where l.subscription_id = k.subscription_id and ${isWrong('k.due_at')})`
}
