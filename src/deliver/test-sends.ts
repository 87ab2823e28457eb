import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import type { Destination, Hint } from '../destinations/destination.ts'
import { AppError } from '../errors.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import { logTestAttempt } from '../log/test-attempts.ts'
import type { Caller } from '../model/caller.ts'
import type { CaptureOf, ExchangeDetails } from '../model/exchange-details.ts'
import type { Outcome } from '../model/outcome.ts'
import { shownBody } from '../model/shown-body.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidV7Source } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import type { SubscriptionCreate } from '../subscriptions/schema.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { inFormat } from './formats.ts'
import { send } from './send.ts'
import type { SubscriptionTest, TestResult } from './test-schema.ts'

export interface TestSendsDeps {
  readonly clock: Clock
  readonly database: Database
  /** Knows of ids whose rows are not written yet. */
  readonly unwritten: { during<T>(work: () => Promise<T>): Promise<T> }
  readonly subscriptions: Subscriptions
  readonly eventTypes: Pick<EventTypes, 'read'>
  /** Of its own, so that a test takes no connection from deliveries. It remembers every exchange. */
  readonly destination: Destination
  readonly userAgent: string
  readonly hint: Hint
  /** What is kept of attempts to a subscription that does not say it. */
  readonly capture: CaptureOf
}

/** Tests that run at a time. */
const atOnce = { ofSubscription: 2, ofTenant: 10, inAll: 50 } as const

/**
 * Sends a message to a receiver now, at somebody's wish, and tells the whole exchange. It goes the way of every attempt:
 * headers, signature, time limits and the guard are those of the subscription. Nothing follows from it: it knows neither
 * throttle nor states of receivers, so paused and disabled ones can be tried, too.
 */
export class TestSends {
  readonly #deps: TestSendsDeps
  readonly #newId: () => Uuid
  readonly #running = new Map<string, number>()

  constructor(deps: TestSendsDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /**
   * Tries a subscription. It is in its log, with `trigger: test`.
   *
   * @returns undefined when there is none
   * @throws AppError too_many_tests; not_verified
   */
  async test(caller: Caller, id: number, test: SubscriptionTest): Promise<TestResult | undefined> {
    const { subscriptions, database, clock, capture, unwritten } = this.#deps
    if (!(await subscriptions.mayBeTried(caller.reach, id))) return undefined
    if (subscriptions.get(id) === undefined) await subscriptions.refresh(id)
    const to = subscriptions.get(id)
    if (to === undefined) throw unreadable(id)
    const { webhookId, outcome, result } = await this.#send(to, test)
    const attemptId = await unwritten.during(async () => {
      const attempt = { id: this.#newId(), webhookId, subscriptionId: id, at: clock.now(), outcome }
      await database.transaction(async tx => {
        await logTestAttempt(tx, { ...attempt, capture: to.capture ?? capture })
        await recordChange(tx, caller.actor, {
          ...{ action: 'subscription.tested', subjectId: id, tenant: to.tenant },
          changes: differences(undefined, { event_type: result.event_type, delivered: result.delivered }),
        })
      })
      return attempt.id
    })
    return { ...result, attempt_id: attemptId }
  }

  /**
   * Tries a subscription that is not saved. There is no log that it could be in; the audit log says who has sent where.
   *
   * @throws AppError validation_failed, too_many_tests, not_verified
   */
  async testDraft(caller: Caller, draft: SubscriptionCreate, test: SubscriptionTest): Promise<TestResult> {
    const { subscriptions, database } = this.#deps
    const to = await subscriptions.draft(caller, draft)
    const { result } = await this.#send(to, test)
    await database.transaction(tx =>
      recordChange(tx, caller.actor, {
        ...{ action: 'subscription.tested', subjectId: null, tenant: to.tenant },
        changes: differences(undefined, { target_url: to.targetUrl, delivered: result.delivered }),
      }),
    )
    return result
  }

  async close(): Promise<void> {
    await this.#deps.destination.close()
  }

  async #send(
    to: Subscription,
    test: SubscriptionTest,
  ): Promise<{ readonly webhookId: Uuid; readonly outcome: Outcome; readonly result: TestResult }> {
    const eventType = test.event_type ?? firstTypeOf(to)
    const payload = Buffer.from(JSON.stringify(await this.#payload(to, eventType, test)))
    const webhookId = this.#newId()
    const content = { eventType, contentType: 'application/json', payload }
    const loaded = { to: { ...to, capture: 'all' } as const, delivery: { webhookId, attempt: 1 }, content }
    const outcome = await this.#inTurn(to, () => send(this.#deps, loaded))
    const { payload: body } = inFormat(loaded).content
    return {
      webhookId,
      outcome,
      result: resultOf(outcome, { webhookId, eventType, body }, this.#deps.hint),
    }
  }

  async #payload(to: Subscription, eventType: string, { payload }: SubscriptionTest): Promise<unknown> {
    if (payload !== undefined) return payload
    const known = await this.#deps.eventTypes.read(to.tenant, eventType)
    const [example = sampleOf(eventType, this.#deps.clock.now())] = known?.examples ?? []
    return example
  }

  /** @throws AppError too_many_tests */
  async #inTurn<T>(to: Subscription, work: () => Promise<T>): Promise<T> {
    const places = [
      [`subscription ${to.tenant} ${to.id}`, atOnce.ofSubscription],
      [`tenant ${to.tenant}`, atOnce.ofTenant],
      ['all', atOnce.inAll],
    ] as const
    const full = places.some(([place, most]) => (this.#running.get(place) ?? 0) >= most)
    if (full) throw tooMany()
    for (const [place] of places) this.#running.set(place, (this.#running.get(place) ?? 0) + 1)
    try {
      return await work()
    } finally {
      for (const [place] of places) this.#leave(place)
    }
  }

  #leave(place: string): void {
    const left = (this.#running.get(place) ?? 1) - 1
    if (left === 0) this.#running.delete(place)
    else this.#running.set(place, left)
  }
}

function resultOf(
  outcome: Outcome,
  sent: { readonly webhookId: Uuid; readonly eventType: string; readonly body: Buffer },
  hint: Hint,
): TestResult {
  const { exchange, httpStatus = null } = outcome
  if (exchange === undefined) throw new Error('a test that is not remembered')
  const failure = outcome.kind === 'accepted' ? undefined : outcome
  const { errorClass = null, errorCode = null } = failure ?? {}
  return {
    delivered: failure === undefined,
    webhook_id: sent.webhookId,
    attempt_id: null,
    event_type: sent.eventType,
    request: { ...exchange.request, body: sent.body.toString() },
    response: responseOf(exchange, httpStatus),
    timings: exchange.timings,
    remote_address: exchange.remoteAddress,
    error_class: errorClass,
    error: failure?.error ?? null,
    hint: errorClass === null ? null : hint({ errorClass, errorCode, httpStatus }),
  }
}

function responseOf(
  { response, responseBody }: ExchangeDetails,
  status: number | null,
): TestResult['response'] {
  if (response === null || status === null) return null
  return { status, ...response, ...shownBody(responseBody, response.body_truncated) }
}

/** What a receiver of Standard Webhooks expects of a payload. */
function sampleOf(eventType: string, now: number): object {
  return {
    type: eventType,
    timestamp: new Date(now).toISOString(),
    data: { test: true, message: 'A test. It was sent by hand, and stands for no event.' },
  }
}

/** The first type that the subscription wants and that is no pattern. */
function firstTypeOf({ eventTypes }: Subscription): string {
  return [...(eventTypes ?? [])].find(type => !type.includes('*')) ?? 'webhook.test'
}

function tooMany(): AppError {
  return new AppError(
    'too_many_tests',
    `At most ${atOnce.ofSubscription} tests of a subscription and ${atOnce.ofTenant} of a tenant run at a time. Send this one again when they have ended.`,
    { retryAfterSeconds: 2 },
  )
}

function unreadable(id: number): AppError {
  return new AppError(
    'internal',
    `Subscription ${id} cannot be read by this process; its log says why, such as an encryption key that is missing.`,
  )
}
