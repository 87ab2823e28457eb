import type { OwnEvent } from '../ingest/write-events.ts'
import { writeOwnEvents } from '../ingest/write-events.ts'
import { tryLockForSession } from '../platform/advisory-lock.ts'
import { besideThePath, inBatches } from '../platform/batches.ts'
import type { Clock } from '../platform/clock.ts'
import { uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Transactional } from '../platform/postgres.ts'
import type { EventToMatch } from '../subscriptions/matching.ts'
import {
  type FactDelivery,
  type FactRow,
  type FactSubscription,
  systemEventTypes,
  systemTenant,
} from '../system-facts/fact.ts'
import { dropFacts, isAnyFact, takeFacts } from '../system-facts/facts.ts'
import { deliveriesMax, type Told, tell, tellGivenUp } from './payload.ts'

export interface SystemEventsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly subscriptions: {
    /** The ids of those that want an event. */
    matching(event: EventToMatch): readonly number[]
    /** Those of them that list its type as such. */
    naming(event: EventToMatch): readonly number[]
  }
  readonly tenants: { isDeleted(tenant: string): boolean }
  readonly bell: { ring(): void }
  /** Told of ids that are made before their rows are written. */
  readonly unwritten: { during<T>(work: () => Promise<T>): Promise<T> }
}

/** What senders may say of an event, said of all of these, so that filters can tell them from others of the same type. */
const given = { system: 'true' } as const

/**
 * Turns what was noted into events, beside the path, oldest first. An event and the removal of its facts are one
 * transaction, so each fact is told of once, whoever dies when. Any process may call it; one at a time does it.
 *
 * @returns how many facts; undefined when another process is at it
 */
export async function publishFacts(
  deps: SystemEventsDeps,
  signal: AbortSignal = new AbortController().signal,
): Promise<number | undefined> {
  const { database, clock, logger, bell } = deps
  if (!(await isAnyFact(database))) return 0
  const newId = uuidV7Source(clock)
  return besideThePath(database, 'system events', async session => {
    if (!(await tryLockForSession(session, 'systemEvents'))) return undefined
    const { rows } = await inBatches({ name: 'system events', logger, signal }, 0, async (_after, limit) => {
      const taken = await deps.unwritten.during(() => publishSome(deps, session, newId, limit))
      if (taken > 0) bell.ring()
      return { rows: taken, last: taken > 0 ? 0 : undefined }
    })
    return rows
  })
}

async function publishSome(
  deps: SystemEventsDeps,
  session: Transactional,
  newId: () => OwnEvent['webhookId'],
  limit: number,
): Promise<number> {
  return session.transaction(async tx => {
    const facts = await takeFacts(tx, limit)
    if (facts.length === 0) return 0
    const events = toldOf(facts).flatMap(told => eventsOf(deps, told))
    const rows = events.map(event => ({
      ...event,
      webhookId: newId(),
      metadata: { system: true, given } as const,
    }))
    await writeOwnEvents(tx, rows, deps.clock.now())
    await dropFacts(
      tx,
      facts.map(({ id }) => id),
    )
    return facts.length
  })
}

/** What there is to tell, in the order of the facts. */
function toldOf(facts: readonly FactRow[]): readonly Told[] {
  const told: (Told | undefined)[] = []
  const bySubscription = new Map<number, DeadDelivery[]>()
  for (const fact of facts) {
    if (fact.type !== 'delivery.given_up') told.push(tell(fact))
    else if (isToBeTold(fact)) {
      const { id } = fact.subscription
      const others = bySubscription.get(id)
      if (others) others.push(fact)
      else bySubscription.set(id, [fact])
    }
  }
  for (const dead of bySubscription.values()) {
    const subscription = dead[0]?.subscription
    if (subscription === undefined) continue
    for (let from = 0; from < dead.length; from += deliveriesMax)
      told.push(tellGivenUp(subscription, dead.slice(from, from + deliveriesMax)))
  }
  return told.filter(one => one !== undefined)
}

type DeadDelivery = FactRow & { readonly subscription: FactSubscription; readonly delivery: FactDelivery }

/**
 * Nothing is told of deliveries of system events, or one that fails would make the next one. Where the event is not stored any
 * more, which can be after a retention, its subscription says whether it may have been one.
 */
function isToBeTold(fact: FactRow): fact is DeadDelivery {
  const { subscription, delivery } = fact
  if (subscription === undefined || delivery === undefined) return false
  if (subscription.tenant === systemTenant || delivery.is_system) return false
  return delivery.is_stored || !systemEventTypes.some(type => subscription.event_types?.includes(type))
}

/** One for the operators, and one for the tenant where it has asked. */
function eventsOf(
  { subscriptions, tenants }: SystemEventsDeps,
  { payload, tenant, subscriptionId }: Told,
): readonly Omit<OwnEvent, 'webhookId' | 'metadata'>[] {
  const event = { eventType: payload.type, payload: Buffer.from(JSON.stringify(payload)) }
  const toMatch = (whose: string): EventToMatch => ({
    ...event,
    ...{ tenant: whose, channels: [], metadata: given },
    headers: { 'content-type': 'application/json', 'x-event-type': payload.type },
  })
  const operators = subscriptions.matching(toMatch(systemTenant))
  const asking =
    tenant === systemTenant || tenants.isDeleted(tenant)
      ? []
      : subscriptions.naming(toMatch(tenant)).filter(id => id !== subscriptionId)
  const isKept = payload.type !== 'delivery.given_up' // which are listed as dead letters
  return [
    ...(operators.length > 0 || isKept
      ? [{ ...event, tenant: systemTenant, subscriptionIds: operators }]
      : []),
    ...(asking.length > 0 ? [{ ...event, tenant, subscriptionIds: asking }] : []),
  ]
}
