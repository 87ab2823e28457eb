import type { ErrorCode } from '../errors.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Settlement } from '../model/settlement.ts'
import type { VerdictWord } from '../model/verdict.ts'
import {
  attemptOutcomes,
  databaseUses,
  ends,
  families,
  refusalReasons,
  throttleScopes,
  triggers,
  ways,
} from './families.ts'
import { add, type Numbers, observe, seriesAt } from './figures.ts'

/** An event that was committed, with what it owes. */
interface AcceptedEvent {
  readonly owed: readonly { readonly owner: number | null }[]
  /** When it was given to the writer (`performance.now()`). */
  readonly since: number
}

const at = {
  accepted: seriesAt('eventsAccepted'),
  deduplicated: seriesAt('eventsDeduplicated'),
  ingestDuration: seriesAt('ingestDuration'),
  attemptDuration: seriesAt('attemptDuration'),
  deliveryLatency: seriesAt('deliveryLatency'),
  retries: seriesAt('retriesScheduled'),
  deadLetters: seriesAt('deadLetters'),
  recovered: seriesAt('recovered'),
  way: placesOf(ways, way => seriesAt('deliveriesCreated', way)),
  ended: placesOf(ends, end => seriesAt('deliveriesEnded', end)),
  throttled: placesOf(throttleScopes, scope => seriesAt('throttled', scope)),
  rejected: placesOf(refusalReasons, reason => seriesAt('eventsRejected', reason)),
  query: placesOf(databaseUses, use => seriesAt('queryDuration', use)),
  attempts: placesOf(triggers, trigger =>
    placesOf(attemptOutcomes, outcome => seriesAt('attempts', outcome, trigger)),
  ),
}

function placesOf<Name extends string, Place>(
  names: readonly Name[],
  place: (name: Name) => Place,
): Readonly<Record<Name, Place>> {
  return Object.fromEntries(names.map(name => [name, place(name)])) as Record<Name, Place> // one for each name
}

const buckets = {
  ingest: families.ingestDuration.buckets,
  attempt: families.attemptDuration.buckets,
  delivery: families.deliveryLatency.buckets,
  query: families.queryDuration.buckets,
}

/**
 * Counts what the path of an event reports: additions to plain numbers, which are read when somebody asks for them. An event
 * that is delivered at the first attempt costs about ten of them.
 */
export class PathFigures {
  readonly #numbers: Numbers
  readonly #ownId: () => number

  /** @param ownId the id under which this process leases rows */
  constructor(numbers: Numbers, ownId: () => number) {
    this.#numbers = numbers
    this.#ownId = ownId
  }

  /** A transaction with these events was committed. */
  accepted(events: readonly AcceptedEvent[]): void {
    const numbers = this.#numbers
    const now = performance.now()
    const own = this.#ownId()
    add(numbers, at.accepted, events.length)
    for (const { owed, since } of events) {
      observe(numbers, at.ingestDuration, buckets.ingest, (now - since) / 1000)
      for (const { owner } of owed) add(numbers, at.way[wayTo(owner, own)], 1)
    }
  }

  /** What became of deliveries was committed to the log. */
  settled(settlements: readonly Settlement[]): void {
    for (const settlement of settlements) this.#settled(settlement)
  }

  /** A request with an event, or an event of a batch, was refused. */
  rejected(code: ErrorCode): void {
    add(this.#numbers, at.rejected[isReason(code) ? code : 'other'], 1)
  }

  /** A request got the answer of an earlier one. */
  deduplicated(): void {
    add(this.#numbers, at.deduplicated, 1)
  }

  /** What a dead process held was put back. */
  recovered(deliveries: number): void {
    add(this.#numbers, at.recovered, deliveries)
  }

  /** A statement was answered, or refused. @param connection its name, such as `ingest-1` */
  queried(connection: string, ms: number): void {
    observe(this.#numbers, at.query[purposeOf(connection)], buckets.query, ms / 1000)
  }

  #settled(settlement: Settlement): void {
    const numbers = this.#numbers
    if (settlement.kind === 'ended') {
      this.#ended(settlement.verdict)
      return
    }
    if (settlement.pause) add(numbers, at.throttled[settlement.pause.reason], 1)
    if (settlement.kind === 'handed_back') return
    const { delivery, outcome, verdict } = settlement
    const { trigger = 'auto' } = delivery
    if (trigger === 'test') return
    add(numbers, at.attempts[trigger][outcomeOf(outcome)], 1)
    observe(numbers, at.attemptDuration, buckets.attempt, outcome.durationMs / 1000)
    if (verdict.kind === 'retry') add(numbers, at.retries, 1)
    else this.#ended(verdict.kind)
    if (verdict.kind === 'delivered' && trigger === 'auto') {
      const seconds = Math.max(0, settlement.at - delivery.since) / 1000
      observe(numbers, at.deliveryLatency, buckets.delivery, seconds)
    }
  }

  #ended(verdict: Exclude<VerdictWord, 'retry'>): void {
    add(this.#numbers, at.ended[verdict], 1)
    if (verdict === 'given_up' || verdict === 'expired') add(this.#numbers, at.deadLetters, 1)
  }
}

function wayTo(owner: number | null, own: number): (typeof ways)[number] {
  if (owner === null) return 'lane'
  return owner === own ? 'memory' : 'worker'
}

type AttemptOutcome = (typeof attemptOutcomes)[number]

/** The outcome of an attempt as a label. An answer is told by its status, of which there are three classes besides success. */
export function outcomeOf(outcome: Outcome): AttemptOutcome {
  if (outcome.kind === 'accepted') return 'success'
  const { errorClass, httpStatus = 0 } = outcome
  if (errorClass !== 'http') return errorClass
  if (httpStatus >= 500) return 'http_5xx'
  if (httpStatus >= 400) return 'http_4xx'
  return httpStatus >= 300 ? 'http_3xx' : 'http'
}

function isReason(code: ErrorCode): code is ErrorCode & (typeof refusalReasons)[number] {
  return code in at.rejected
}

/** Name of a connection → what it is for. There are as many as the code has connections. */
const uses = new Map<string, (typeof databaseUses)[number]>()

function purposeOf(connection: string): (typeof databaseUses)[number] {
  const known = uses.get(connection)
  if (known !== undefined) return known
  const name = connection.replace(/-\d+$/, '')
  const use = databaseUses.find(one => one === name) ?? 'other'
  if (uses.size < 100) uses.set(connection, use)
  return use
}
