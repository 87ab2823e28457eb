import { recordChange } from '../audit/audit.ts'
import { AppError } from '../errors.ts'
import type { Caller, Reach } from '../model/caller.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkEverySeconds, checksAtOnce, mayCheck } from '../tenants/ownership.ts'
import { subscriptionChanges } from './changes.ts'
import type { SubscriptionDefaults } from './rules.ts'
import { lockSubscription, notifyChange, type SubscriptionRow } from './store.ts'
import type { SubscriptionLanes } from './subscription-lanes.ts'
import type { Verification } from './verification.ts'
import { activateVerified, readPending, setVerification } from './verification-store.ts'

export interface VerificationsDeps {
  readonly database: Database
  readonly clock: Clock
  readonly lanes: SubscriptionLanes
  readonly defaults: SubscriptionDefaults
  /** Reads a subscription again after it has changed. */
  readonly refresh: (id: number) => Promise<unknown>
}

/** What a receiver has said, or that it was not heard. */
export type OwnershipAnswer =
  | { readonly kind: 'yes'; readonly allowedPerMinute: number | null }
  | { readonly kind: 'no'; readonly reason: string }

/** That a receiver is asked. */
export interface Question {
  readonly method: Verification['method']
  /** The answer is about this address only. */
  readonly targetUrl: string
}

/** A subscription is asked about at most once in this time. */
const everyMs = 5000
/** An answer takes half a minute at the most (`timeout_ms`), and a moment to be written. */
const answeredMs = 60_000

/** What is known of the receivers of subscriptions that have to be verified: how it is asked for, and written down. */
export class Verifications {
  readonly #deps: VerificationsDeps

  constructor(deps: VerificationsDeps) {
    this.#deps = deps
  }

  /**
   * Notes that a receiver is asked now.
   *
   * @returns undefined: there is no such subscription; `nothing`: nothing has to be asked
   * @throws AppError too_many_checks
   */
  begin(reach: Reach, id: number): Promise<Question | 'nothing' | undefined> {
    const { database, clock } = this.#deps
    return database.transaction(async tx => {
      const row = await lockSubscription(tx, reach, id)
      if (row === undefined) return undefined
      const { verification, target_url: targetUrl, tenant } = row
      if (verification === null || verification.state === 'verified') return 'nothing'
      const now = clock.now()
      const waitMs = verification.asked_at === null ? 0 : Date.parse(verification.asked_at) + everyMs - now
      if (waitMs > 0) throw tooSoon(Math.ceil(waitMs / 1000))
      if (!(await mayCheck(tx, tenant))) throw tooMany()
      await setVerification(tx, id, { ...verification, asked_at: new Date(now).toISOString() })
      return { method: verification.method, targetUrl }
    })
  }

  /** Subscriptions whose question was asked, or was to be, longer ago than any answer takes: the process that asked is gone. */
  leftOver(most: number): Promise<readonly number[]> {
    return readPending(this.#deps.database, new Date(this.#deps.clock.now() - answeredMs), most)
  }

  /** Writes what was answered; nothing when the address is another one by now, or it was verified meanwhile. */
  async end(
    { actor, reach }: Caller,
    id: number,
    question: Question,
    answer: OwnershipAnswer,
  ): Promise<void> {
    const { database, clock } = this.#deps
    const isWritten = await database.transaction(async tx => {
      const before = await lockSubscription(tx, reach, id)
      if (before?.verification?.state === 'verified' || before?.target_url !== question.targetUrl)
        return false
      if (before.verification === null) return false
      const now = new Date(clock.now()).toISOString()
      const after = await this.#write(tx, before, before.verification, answer, now)
      await recordChange(tx, actor, {
        ...{ action: answer.kind === 'yes' ? 'subscription.verified' : 'subscription.not_verified' },
        ...{ subjectId: id, tenant: before.tenant },
        changes: subscriptionChanges(before, after, this.#deps.defaults),
      })
      await notifyChange(tx, id)
      return true
    })
    if (isWritten) await this.#deps.refresh(id)
  }

  async #write(
    tx: Queryable,
    { id, paused }: SubscriptionRow,
    before: Verification,
    answer: OwnershipAnswer,
    now: string,
  ): Promise<SubscriptionRow> {
    if (answer.kind === 'no')
      return setVerification(tx, id, { ...before, state: 'failed', reason: answer.reason })
    const row = await activateVerified(tx, id, {
      ...before,
      ...{ state: 'verified', verified_at: now, reason: null, allowed_per_minute: answer.allowedPerMinute },
    })
    if (!paused) await this.#deps.lanes.open(tx, id)
    return row
  }
}

function tooSoon(retryAfterSeconds: number): AppError {
  return new AppError(
    'too_many_checks',
    `This receiver was asked a moment ago. Ask it again in ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  )
}

function tooMany(): AppError {
  return new AppError(
    'too_many_checks',
    `A tenant may have ${checksAtOnce} receivers asked at once, and one more each ${checkEverySeconds} s. Ask this one again then.`,
    { retryAfterSeconds: checkEverySeconds },
  )
}
