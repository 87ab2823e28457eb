import type { Accepted, Load } from './load.ts'
import type { Record } from './receiver.ts'

/** One fault, from its beginning to its end (`performance.now()`). */
export interface Fault {
  readonly what: string
  readonly at: number
  readonly until: number
}

/** What `webhooks audit` printed. */
export interface AuditCounts {
  readonly missing: number
  readonly owed: number
}

/** What a scenario came to. */
export interface Figures {
  readonly faults: number
  readonly accepted: number
  /** 503s, and answers that never came: the sender sent again. */
  readonly refused: number
  readonly lost: number
  /** Webhook ids that the receiver has answered with 2xx at least once. */
  readonly delivered: number
  /** Of the accepted. */
  readonly missing: { readonly byAudit: number; readonly byReceiver: number }
  readonly repeats: Repeats
  /** From the end of a fault to the next delivery, and until all that was accepted before is delivered. */
  readonly firstMs: Spread
  readonly backlogMs: Spread
}

export interface Spread {
  readonly median: number
  readonly most: number
}

/** Deliveries of what the receiver had accepted before. */
export interface Repeats {
  readonly total: number
  /** Those whose earlier attempt is not in the log: the process died before it could write it down. */
  readonly unlogged: number
  /** The most of them that one fault cost. */
  readonly mostAtOnce: number
  /**
   * The longest time between such an attempt and the fault that cost it its line in the log. Before the fault, as a rule;
   * after it where the receiver was slow to read what a process had sent before it was killed.
   */
  readonly farthestFromFaultMs: number
}

/** @param successes how many successful attempts the log has, of those webhook ids that were repeated */
export function figuresOf(
  load: Load,
  records: ReadonlyMap<string, Record>,
  faults: readonly Fault[],
  audit: AuditCounts,
  successes: ReadonlyMap<string, number>,
): Figures {
  const firsts = new Map<string, number>()
  for (const [id, record] of records) {
    const first = record.arrivals.find(({ isAccepted }) => isAccepted)
    if (first) firsts.set(id, first.at)
  }
  return {
    faults: faults.length,
    accepted: load.accepted.length,
    refused: load.refusals.length,
    lost: load.lost,
    delivered: firsts.size,
    missing: {
      byAudit: audit.missing,
      byReceiver: load.accepted.filter(({ webhookId }) => !firsts.has(webhookId)).length,
    },
    repeats: repeatsOf(records, faults, successes),
    firstMs: spread(firstAfter(faults, [...firsts.values()])),
    backlogMs: spread(faults.map(({ until }) => backlogAfter(until, load.accepted, firsts))),
  }
}

/** The webhook ids that were answered with 2xx more than once. */
export function repeated(records: ReadonlyMap<string, Record>): readonly string[] {
  return [...records].filter(([, record]) => acceptedTimes(record).length > 1).map(([id]) => id)
}

function acceptedTimes(record: Record): readonly number[] {
  return record.arrivals.filter(({ isAccepted }) => isAccepted).map(({ at }) => at)
}

function repeatsOf(
  records: ReadonlyMap<string, Record>,
  faults: readonly Fault[],
  successes: ReadonlyMap<string, number>,
): Repeats {
  let total = 0
  let unlogged = 0
  let farthestFromFaultMs = 0
  const costs = new Map<Fault, number>()
  for (const [id, record] of records) {
    const times = acceptedTimes(record)
    if (times.length < 2) continue
    total += times.length - 1
    unlogged += Math.max(0, times.length - (successes.get(id) ?? 0))
    for (const at of times.slice(0, -1)) {
      const [nearest] = faults.toSorted((one, other) => distance(one, at) - distance(other, at))
      farthestFromFaultMs = Math.max(
        farthestFromFaultMs,
        nearest ? distance(nearest, at) : Number.POSITIVE_INFINITY,
      )
      if (nearest) costs.set(nearest, (costs.get(nearest) ?? 0) + 1)
    }
  }
  return { total, unlogged, farthestFromFaultMs, mostAtOnce: Math.max(0, ...costs.values()) }
}

/** Milliseconds from a moment to a fault; 0 while it lasts. */
function distance({ at, until }: Fault, moment: number): number {
  return Math.max(0, at - moment, moment - until)
}

function firstAfter(faults: readonly Fault[], times: readonly number[]): readonly number[] {
  const sorted = times.toSorted((a, b) => a - b)
  return faults.flatMap(({ until }) => {
    const next = sorted.find(at => at >= until)
    return next === undefined ? [] : [next - until]
  })
}

function backlogAfter(
  until: number,
  accepted: readonly Accepted[],
  firsts: ReadonlyMap<string, number>,
): number {
  let last = until
  for (const { at, webhookId } of accepted) {
    if (at <= until) last = Math.max(last, firsts.get(webhookId) ?? 0)
  }
  return last - until
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  return { median: sorted[Math.floor(sorted.length / 2)] ?? 0, most: sorted.at(-1) ?? 0 }
}
