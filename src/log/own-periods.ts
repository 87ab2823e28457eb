import { inBatches } from '../platform/batches.ts'
import { type Uuid, uuidLowerBound } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { detailsRemoved, type OwnPeriods } from '../tenants/retention.ts'
import {
  type RemovedPage,
  readLogged,
  removeAuditOf,
  removeDetailsOf,
  removeEventsOf,
  removeLogOf,
} from './own-periods-store.ts'

export interface OwnPeriodsDeps {
  readonly session: Queryable
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Unix milliseconds. */
  readonly now: number
}

/** How many rows of each kind went. */
export interface RemovedRows {
  readonly events: number
  readonly log: number
  readonly details: number
  readonly audit: number
}

const hourMs = 3_600_000

/**
 * Removes what a tenant with periods of its own keeps no longer, row by row, in the order events, details, log: no event is
 * left without its log. What is still owed stays. That is for less than all keep theirs; what is kept for longer than by all
 * is in partitions of its own (`kept-partitions.ts`), of which the rows of those go here that keep theirs for less than others.
 *
 * @returns undefined when it was told to end before it was done
 */
export async function removeOwnOf(deps: OwnPeriodsDeps, own: OwnPeriods): Promise<RemovedRows | undefined> {
  const { session, now } = deps
  const { tenant, periods, detailsRemovedBefore } = own
  const dueBefore = now - periods.payloadHours * hourMs
  const events = await walk(deps, `events of tenant ${tenant}`, (after, limit) =>
    removeEventsOf(session, tenant, { after, before: uuidLowerBound(dueBefore), dueBefore }, limit),
  )
  const detailsBefore = now - periods.detailsHours * hourMs
  const details = await ofSubscriptions(deps, own, detailsRemovedBefore, detailsBefore, removeDetailsOf)
  if (details !== undefined) await detailsRemoved(session, tenant, detailsBefore)
  // Where events could not be removed their log stays, too.
  const log =
    events === undefined
      ? undefined
      : await ofSubscriptions(deps, own, 0, now - periods.logHours * hourMs, removeLogOf)
  const auditBefore = uuidLowerBound(now - periods.auditDays * 24 * hourMs)
  const audit = await walk(deps, `audit log of tenant ${tenant}`, (after, limit) =>
    removeAuditOf(session, tenant, { after, before: auditBefore }, limit),
  )
  if (events === undefined || details === undefined || log === undefined || audit === undefined)
    return undefined
  return { events, details, log, audit }
}

/** What is found by the log of a subscription, of all subscriptions of a tenant. */
async function ofSubscriptions(
  deps: OwnPeriodsDeps,
  { tenant }: OwnPeriods,
  fromMs: number,
  beforeMs: number,
  remove: typeof removeLogOf,
): Promise<number | undefined> {
  const { session, logger, signal } = deps
  const [from, before] = [uuidLowerBound(fromMs), uuidLowerBound(beforeMs)]
  if (from >= before) return 0
  const name = `attempts of tenant ${tenant}`
  let removed = 0
  let isAll = true
  const { isDone } = await inBatches({ name, logger, signal }, 0, async (afterId, limit) => {
    const page = await readLogged(session, tenant, afterId, { from, before }, limit)
    for (const id of page.logged) {
      const rows = await walk(deps, name, (after, most) => remove(session, id, { after, before }, most), from)
      if (rows === undefined) isAll = false
      removed += rows ?? 0
    }
    return page
  })
  return isDone && isAll ? removed : undefined
}

/** @returns how many were removed; undefined when it was told to end before it was done */
async function walk(
  { logger, signal }: OwnPeriodsDeps,
  name: string,
  step: (after: Uuid, limit: number) => Promise<RemovedPage<Uuid>>,
  from: Uuid = uuidLowerBound(0),
): Promise<number | undefined> {
  let removed = 0
  const { isDone } = await inBatches<Uuid>(
    { name: `retention of the ${name}`, logger, signal },
    from,
    async (after, limit) => {
      const page = await step(after, limit)
      removed += page.removed
      return page
    },
  )
  return isDone ? removed : undefined
}
