import { validationFailed } from '../errors.ts'
import type { Reach } from '../model/caller.ts'
import { readQueue } from '../monitor/system.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/postgres.ts'
import { backlogOf } from './backlog.ts'
import { daysOf } from './days.ts'
import { readMostRetrying, readRetrying } from './retrying-store.ts'
import { firstLoggedMinute } from './roll-up.ts'
import { readRolledUp } from './roll-up-store.ts'
import type { AllStats, StatsBucket, StatsTotals, SubscriptionFigures, SubscriptionStats } from './schema.ts'
import {
  beginsOf,
  type Cover,
  coverOf,
  minuteMs,
  minuteOf,
  type Step,
  type Window,
  type WindowName,
  windows,
} from './steps.ts'
import {
  type CountedPeriod,
  type CountsOfPeriods,
  type Head,
  readFailing,
  readHeads,
  readSubscriptionCounts,
  readSubscriptionPeriods,
  readTailOf,
  readTailOfTenant,
  readTenantPeriods,
  readWaiting,
  readWaitingOfTenant,
  type Tail,
} from './store.ts'
import { Tally } from './tally.ts'

export interface StatsDeps {
  readonly database: Database
  readonly clock: Clock
}

/** What waits is counted up to here, so that the cost of an answer is bounded. */
const waitingMax = 10_000

/** No id is larger. */
const int4Max = 2_147_483_647

/**
 * Figures of attempts over a window of time: from roll-ups, and for the last minute, which is not rolled up yet, from the
 * log. How many rows are read depends on the window, and not on how many the log has.
 */
export class Stats {
  readonly #database: Database
  readonly #clock: Clock

  constructor({ database, clock }: StatsDeps) {
    this.#database = database
    this.#clock = clock
  }

  /** Of one subscription. @param zone the time zone by whose days a window of days is cut; UTC unless given */
  async ofSubscription(id: number, window: WindowName, zone?: string): Promise<SubscriptionStats> {
    const db = this.#database
    const now = this.#clock.now()
    const { begins, cover } = await this.#begin(window, now, zone)
    const closed = await readSubscriptionPeriods(db, [id], cover.periods)
    const tail = await readTailOf(db, [id], cover.until, minuteOf(now))
    const tallies = tally(begins, [...closed, ...tail.counted])
    const waiting = await readWaiting(db, id, now, waitingMax)
    return {
      ...answer(window, begins, tallies, completeUntil(tail, cover.until, now)),
      oldest_due_at: timeOrNull(waiting.oldest_due_ms),
      pending: waiting.count,
      pending_exact: waiting.is_whole,
    }
  }

  /** Of all that a tenant has, or of everything. @param zone as for one subscription */
  async ofAll({ tenant }: Reach, window: WindowName, zone?: string): Promise<AllStats> {
    const db = this.#database
    const now = this.#clock.now()
    const { begins, cover } = await this.#begin(window, now, zone)
    const closed = await readTenantPeriods(db, tenant, cover.periods)
    const tail = await readTailOfTenant(db, tenant, cover.until, minuteOf(now), 'sums')
    const tallies = tally(begins, [...closed, ...tail.counted])
    return {
      ...answer(window, begins, tallies, completeUntil(tail, cover.until, now)),
      ...(await this.#backlog(tenant, now)),
      backlog: tenant === null ? [...(await backlogOf(db, begins, now))] : null,
    }
  }

  /** Of several subscriptions, in the order of the ids; those that the caller may not read, or that there are not, are left out. */
  async ofSubscriptions(
    reach: Reach,
    ids: readonly number[],
    window: WindowName,
  ): Promise<readonly SubscriptionFigures[]> {
    const db = this.#database
    const now = this.#clock.now()
    const rows = await readHeads(
      db,
      reach.tenant,
      ids.filter(id => id <= int4Max),
    )
    const heads = new Map(rows.map(head => [head.id, head]))
    const found = [...new Set(ids)].flatMap(id => heads.get(id) ?? [])
    const known = [...heads.keys()]
    const series = windows[window]
    const begins = beginsOf(series, now)
    const [from] = begins
    // Percentiles are of the whole window: latencies are read for its longest periods, and for its many short ones only counts.
    const [sums, cover] = await this.#covers(from, now, [series.sumStep, series.step])
    const closed = await readSubscriptionPeriods(db, known, sums.periods)
    const tail = await readTailOf(db, known, sums.until, minuteOf(now))
    const totals = Map.groupBy([...closed, ...tail.counted], row => row.subscription_id)
    const counts = new Map(
      (await readSubscriptionCounts(db, known, cover.periods)).map(row => [row.subscription_id, row]),
    )
    const retrying = new Map((await readRetrying(db, known)).map(row => [row.subscription_id, row.retrying]))
    const until = completeUntil(tail, cover.until, now)
    const recent = Map.groupBy(tail.counted, row => row.subscription_id)
    return found.map(head => ({
      ...namesOf(head),
      ...frameOf(window, until),
      retrying: retrying.get(head.id) ?? 0,
      totals: totalsOf(sumOf(totals.get(head.id) ?? [])),
      buckets: countedBuckets(series, begins, until, [
        ...periodsOf(counts.get(head.id)),
        ...(recent.get(head.id) ?? []),
      ]),
    }))
  }

  /** Of the subscriptions with most failed attempts in the window, most first. */
  async ofFailing(reach: Reach, limit: number, window: WindowName): Promise<readonly SubscriptionFigures[]> {
    const db = this.#database
    const now = this.#clock.now()
    const cover = await this.#cover(beginsOf(windows[window], now)[0], now, windows[window].sumStep)
    const tail = await readTailOfTenant(db, reach.tenant, cover.until, minuteOf(now), 'failures')
    const failing = await readFailing(db, reach.tenant, cover.periods, tail.counted, limit)
    return this.ofSubscriptions(
      reach,
      failing.map(row => row.subscription_id),
      window,
    )
  }

  /** Of the subscriptions of which most has failed and waits for its next attempt now, most first; no paused ones. */
  async ofRetrying(reach: Reach, limit: number, window: WindowName): Promise<readonly SubscriptionFigures[]> {
    const retrying = await readMostRetrying(this.#database, reach.tenant, limit)
    return this.ofSubscriptions(
      reach,
      retrying.map(row => row.subscription_id),
      window,
    )
  }

  async #begin(name: WindowName, now: number, zone: string | undefined) {
    const window = windows[name]
    if (window.step !== 1440 || zone === undefined) {
      const begins = beginsOf(window, now)
      return { begins, cover: await this.#cover(begins[0], now, window.step) }
    }
    const begins = daysOf(zone, window.count, now)
    if (typeof begins === 'string') throw validationFailed([{ pointer: 'time_zone', detail: begins }])
    // Days of another clock are made of hours: the days that are rolled up are those of UTC.
    return { begins, cover: await this.#cover(begins[0] ?? minuteOf(now), now, 60) }
  }

  async #cover(from: number, now: number, longest: Step): Promise<Cover> {
    const [cover] = await this.#covers(from, now, [longest])
    return cover
  }

  /**
   * As far as the log is rolled up at one moment: all of them end at the same minute. Where nothing is rolled up yet, the log
   * is all there is, from its first row on.
   */
  async #covers<Longest extends readonly [Step, ...Step[]]>(
    from: number,
    now: number,
    longest: Longest,
  ): Promise<{ [Index in keyof Longest]: Cover }> {
    const rolledUp = await readRolledUp(this.#database, minuteOf(now))
    const covers = longest.map(step => coverOf(from, rolledUp, step)) as { [Index in keyof Longest]: Cover } // by its own index
    if (rolledUp[1] !== undefined) return covers
    const first = (await firstLoggedMinute(this.#database, from)) ?? minuteOf(now)
    const until = Math.min(first, minuteOf(now))
    return covers.map(cover => ({ ...cover, until })) as typeof covers
  }

  async #backlog(tenant: string | null, now: number) {
    if (tenant === null) {
      const { owed, isExact, oldestDueAt, inFlight } = await readQueue(this.#database)
      return {
        oldest_due_at: timeOrNull(oldestDueAt),
        pending: owed,
        pending_exact: isExact,
        in_flight: inFlight,
      }
    }
    const waiting = await readWaitingOfTenant(this.#database, tenant, now, waitingMax)
    return {
      oldest_due_at: timeOrNull(waiting.oldest_due_ms),
      pending: waiting.count,
      pending_exact: waiting.is_whole,
      in_flight: null,
    }
  }
}

/** By the beginning of their period. What another clock has dated ahead of ours is in the last one. */
function tally(begins: readonly number[], counted: readonly CountedPeriod[]): ReadonlyMap<number, Tally> {
  const tallies = new Map(begins.map(begin => [begin, new Tally()]))
  for (const row of counted) {
    const begin = begins.findLast(one => one <= row.minute)
    if (begin !== undefined) tallies.get(begin)?.add(row)
  }
  return tallies
}

/** Up to which moment all is counted (Unix milliseconds). */
function completeUntil({ isWhole }: Tail, rolledUpUntil: number, now: number): number {
  return isWhole ? now : rolledUpUntil * minuteMs
}

function frameOf(window: WindowName, until: number) {
  return { window, step_seconds: windows[window].step * 60, complete_until: new Date(until).toISOString() }
}

function answer(
  window: WindowName,
  begins: readonly number[],
  tallies: ReadonlyMap<number, Tally>,
  until: number,
) {
  const total = new Tally()
  for (const sum of tallies.values()) total.merge(sum)
  return {
    ...frameOf(window, until),
    buckets: begins
      .filter(begin => begin * minuteMs < until)
      .map(begin => bucketOf(begin, tallies.get(begin) ?? new Tally())),
    totals: totalsOf(total),
  }
}

function bucketOf(minute: number, sum: Tally): StatsBucket {
  return {
    start: new Date(minute * minuteMs).toISOString(),
    success: sum.success,
    failed: sum.failed,
    given_up: sum.givenUp,
    by_class: sum.byClass,
    ...sum.percentiles,
  }
}

function totalsOf(sum: Tally): StatsTotals {
  const attempts = sum.success + sum.failed
  return {
    success: sum.success,
    failed: sum.failed,
    given_up: sum.givenUp,
    success_rate: attempts === 0 ? null : Math.floor((sum.success / attempts) * 10_000) / 10_000,
    by_class: sum.byClass,
    ...sum.percentiles,
    last_success_at: timeOrNull(sum.lastSuccessAt),
  }
}

function namesOf({ id, uid, tenant, target_url, state }: Head) {
  return { subscription_id: id, uid, tenant, target_url, state }
}

function sumOf(counted: readonly CountedPeriod[]): Tally {
  const sum = new Tally()
  for (const row of counted) sum.add(row)
  return sum
}

/** What is counted of a period, without its latencies. */
type Counts = Pick<CountedPeriod, 'minute' | 'success' | 'failed'>

function periodsOf(counts: CountsOfPeriods | undefined): readonly Counts[] {
  if (counts === undefined) return []
  const { minutes, success, failed } = counts
  return minutes.map((minute, index) => ({
    ...{ minute, success: success[index] ?? 0, failed: failed[index] ?? 0 },
  }))
}

function countedBuckets(
  { step, count }: Window,
  begins: readonly [number, ...number[]],
  until: number,
  counted: readonly Counts[],
): SubscriptionFigures['buckets'] {
  const buckets = begins.map(begin => ({
    start: new Date(begin * minuteMs).toISOString(),
    ...{ success: 0, failed: 0 },
  }))
  for (const { minute, success, failed } of counted) {
    // What another clock has dated ahead of ours is in the last one.
    const bucket = buckets[Math.min(Math.floor((minute - begins[0]) / step), count - 1)]
    if (bucket === undefined) continue
    bucket.success += success
    bucket.failed += failed
  }
  return buckets.filter((_, index) => (begins[index] ?? 0) * minuteMs < until)
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : new Date(ms).toISOString()
}
