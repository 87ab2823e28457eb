import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Destination } from '../destinations/destination.ts'
import { AppError } from '../errors.ts'
import { type Caller, theService } from '../model/caller.ts'
import type { Outcome } from '../model/outcome.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidV7Source } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { SubscriptionAnswer } from '../subscriptions/schema.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { OwnershipAnswer, Question, Verifications } from '../subscriptions/verifications.ts'
import { authorize } from './message.ts'
import { send } from './send.ts'

export interface OwnershipChecksDeps {
  readonly clock: Clock
  readonly logger: Logger
  readonly subscriptions: Pick<Subscriptions, 'get' | 'read' | 'refresh'>
  readonly verifications: Pick<Verifications, 'begin' | 'end' | 'leftOver'>
  /** Of its own; it remembers every exchange. */
  readonly destination: Destination
  readonly userAgent: string
  /** Who asks, as `WebHook-Request-Origin` of CloudEvents says it: a name of the DNS. */
  readonly origin: string
}

/** Receivers that are asked at a time. What begins beyond is refused, and can be asked for again. */
const atOnceMax = 20

/** The type of the event that asks. */
export const verificationType = 'webhook.verification'

/**
 * Asks receivers whether they want what is sent to them. It goes the way of every attempt: the guard, the credentials and
 * the time limits are those of the subscription. The answer is yes, or no for a reason in a few words; nothing else that
 * the receiver has answered is told.
 */
export class OwnershipChecks {
  readonly #deps: OwnershipChecksDeps
  readonly #newId: () => Uuid
  readonly #running = new Set<Promise<unknown>>()

  constructor(deps: OwnershipChecksDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /**
   * Asks the receiver of a subscription that is not verified. @returns how the subscription is then; undefined when there is
   * none
   *
   * @throws AppError too_many_checks
   */
  async check(caller: Caller, id: number): Promise<SubscriptionAnswer | undefined> {
    if (this.#running.size >= atOnceMax) throw tooManyNow()
    const checking = this.#check(caller, id)
    this.#running.add(checking)
    try {
      if (!(await checking)) return undefined
    } finally {
      this.#running.delete(checking)
    }
    return this.#deps.subscriptions.read(caller.reach, id)
  }

  /** The same, not waited for: a new subscription, or one with a new address. What hinders it is told there. */
  inBackground(caller: Caller, id: number): void {
    this.check(caller, id).catch(error => {
      const level = error instanceof AppError ? 'debug' : 'warn'
      this.#deps.logger[level]({ err: error, subscription_id: id }, 'a receiver could not be asked')
    })
  }

  /**
   * Asks receivers whose answer nobody waits for any more: the process that asked them has stopped, or there were too many at
   * a time. To be called from time to time, by any process: of a question in another one at the same moment a subscription
   * says that it was asked just now.
   */
  async goOn(signal: AbortSignal): Promise<void> {
    const ids = await this.#deps.verifications.leftOver(atOnceMax)
    for (const id of ids) {
      if (signal.aborted) return
      await this.check(theService, id).catch((error: unknown) => {
        if (!(error instanceof AppError)) throw error // asked already, or too often: a later run asks it
      })
    }
  }

  async close(): Promise<void> {
    await this.#deps.destination.close()
    await Promise.allSettled(this.#running)
  }

  async #check(caller: Caller, id: number): Promise<boolean> {
    const { subscriptions, verifications } = this.#deps
    const question = await verifications.begin(caller.reach, id)
    if (question === undefined) return false
    if (question === 'nothing') return true
    if (subscriptions.get(id)?.targetUrl !== question.targetUrl) await subscriptions.refresh(id)
    const to = subscriptions.get(id)
    if (to === undefined || to.targetUrl !== question.targetUrl) return true // it was changed, and is asked about anew
    await verifications.end(caller, id, question, await this.#ask(to, question))
    return true
  }

  #ask(to: Subscription, { method }: Question): Promise<OwnershipAnswer> {
    return method === 'challenge' ? this.#challenge(to) : this.#handshake(to)
  }

  /** A signed event with a text that nobody else knows, which the receiver has to answer. */
  async #challenge(to: Subscription): Promise<OwnershipAnswer> {
    const challenge = randomBytes(24).toString('base64url')
    const data = { subscription_id: to.id, challenge }
    const timestamp = new Date(this.#deps.clock.now()).toISOString()
    const payload = Buffer.from(JSON.stringify({ type: verificationType, timestamp, data }))
    const outcome = await send(this.#deps, {
      to: { ...to, format: 'raw', capture: 'all' },
      delivery: { webhookId: this.#newId(), attempt: 1 },
      content: { eventType: verificationType, contentType: 'application/json', payload },
    })
    if (outcome.kind !== 'accepted') return notHeard(outcome)
    if (isAnswered(outcome.exchange?.responseBody ?? Buffer.alloc(0), challenge))
      return { kind: 'yes', allowedPerMinute: null }
    const reason =
      'it answered, but not with the challenge: as {"challenge": "…"}, or as text with nothing besides'
    return { kind: 'no', reason }
  }

  /** The abuse protection of CloudEvents (HTTP 1.1 Web Hooks for Event Delivery 1.0.2, section 4). */
  async #handshake(to: Subscription): Promise<OwnershipAnswer> {
    const { destination, userAgent, origin } = this.#deps
    const { rateLimit } = to
    const perMinute = rateLimit && Math.max(1, Math.floor((rateLimit.requests * 60) / rateLimit.perSeconds))
    const outcome = await destination.deliver(
      {
        to: { ...to, capture: 'all' },
        headers: [
          ...authorize({ to } as Parameters<typeof authorize>[0]), // it reads the subscription only
          ...['user-agent', userAgent, 'webhook-request-origin', origin],
          ...(perMinute === null ? [] : ['webhook-request-rate', String(perMinute)]),
        ],
        body: Buffer.alloc(0),
        isQuestion: true,
      },
      to.timeoutMs,
    )
    // A yes is in the headers: the status says nothing of it (4.2 there).
    const headers = outcome.exchange?.response?.headers ?? {}
    const allowed = headers['webhook-allowed-origin']?.toString().trim().toLowerCase()
    if (allowed !== '*' && allowed !== origin.toLowerCase())
      return outcome.kind !== 'accepted'
        ? notHeard(outcome)
        : { kind: 'no', reason: `it did not answer WebHook-Allowed-Origin: ${origin}` }
    return { kind: 'yes', allowedPerMinute: rateOf(headers['webhook-allowed-rate']?.toString()) }
  }
}

function notHeard(outcome: Exclude<Outcome, { kind: 'accepted' }>): OwnershipAnswer {
  const { httpStatus, errorClass } = outcome
  const what =
    httpStatus === undefined || httpStatus === null ? `failed (${errorClass})` : `got HTTP ${httpStatus}`
  return { kind: 'no', reason: `the request that asks ${what}` }
}

/** As text with nothing besides, or as JSON with the member `challenge`. */
function isAnswered(body: Buffer, challenge: string): boolean {
  const text = body.toString('utf8').trim()
  return isSame(text, challenge) || isSame(memberOf(text), challenge)
}

function memberOf(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    const found = typeof value === 'object' && value !== null && 'challenge' in value ? value.challenge : ''
    return typeof found === 'string' ? found : ''
  } catch {
    return ''
  }
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

/** Requests a minute; `*` and what is no number: no limit. */
function rateOf(text: string | undefined): number | null {
  const rate = text !== undefined && /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : 0
  return rate >= 1 ? rate : null
}

function tooManyNow(): AppError {
  return new AppError(
    'too_many_checks',
    `At most ${atOnceMax} receivers are asked at a time. Ask this one again in a moment.`,
    { retryAfterSeconds: 2 },
  )
}
