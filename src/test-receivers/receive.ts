import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { AppError, overloaded } from '../errors.ts'
import { isCredentialHeader } from '../model/credential-headers.ts'
import { type HeaderFields, isSecretRequestHeader, redacted } from '../model/exchange-details.ts'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidTime, uuidV7Source } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { type Reply, replyTo } from './answer.ts'
import type { KnownReceiver } from './own-addresses.ts'
import { receiverLimits } from './schema.ts'
import { countRequest, keepRequest, type RequestRow } from './store.ts'
import { receiverSealContext, type TestReceivers } from './test-receivers.ts'
import { Turns } from './turns.ts'
import { verifyRequest } from './verify-signature.ts'

export interface ReceivingDeps {
  readonly receivers: TestReceivers
  readonly database: Database
  readonly seal: Sealer
  readonly clock: Clock
  /** Knows of ids whose rows are not written yet. */
  readonly unwritten: { during<T>(work: () => Promise<T>): Promise<T> }
  /** Those that lead to an address; see `Subscriptions.leadingTo`. */
  readonly subscriptionsTo: (url: string) => Promise<readonly Subscription[]>
}

/** A request that came to a receiver. */
export interface IncomingRequest {
  readonly method: string
  readonly query: string | null
  readonly headers: IncomingHttpHeaders
  /** Each value by itself where a name came more than once. */
  readonly headersDistinct: Readonly<Record<string, readonly string[] | undefined>>
  readonly body: Buffer
}

/** Requests that are written at a time, of all receivers in this process, and those that wait for it. */
const turns = { atOnce: 2, waiting: 500 } as const
/** Answers that wait for their `delay_ms` in this process. */
const delayedMax = 500

/** Takes what is sent to test receivers: verifies it, keeps it, and says how it is answered. */
export class Receiving {
  readonly #deps: ReceivingDeps
  readonly #newId: () => Uuid
  readonly #turns = new Turns(turns.atOnce, turns.waiting)
  readonly #stopping = new AbortController()
  #delayed = 0

  constructor(deps: ReceivingDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  /**
   * Keeps a request. When this resolves it is committed.
   *
   * @throws AppError not_found when the receiver is gone; overloaded; database_unavailable
   */
  receive(receiver: KnownReceiver, request: IncomingRequest): Promise<Reply> {
    return this.#turns.take(
      () => this.#deps.unwritten.during(() => this.#receive(receiver, request)),
      () => overloaded('More requests come to test receivers than can be kept; send this one again shortly.'),
    )
  }

  async #receive(receiver: KnownReceiver, request: IncomingRequest): Promise<Reply> {
    const { database, seal, clock, receivers, subscriptionsTo } = this.#deps
    const { id: receiverId, tenant } = receiver
    const subscriptions = await subscriptionsTo(receiver.url)
    const { signing_secret: sealed } = receiver
    const secret = sealed === null ? null : seal.open(sealed, receiverSealContext(receiverId))
    const { signature, detail, subscriptionId } = verifyRequest(request, secret, subscriptions, clock.now())
    const id = this.#newId()
    const webhookId = webhookIdOf(request.headers, subscriptions)
    const reply = await database.transaction(async tx => {
      const counted = await countRequest(tx, receiverId, new Date(clock.now()))
      if (counted === undefined) throw unknownReceiver()
      const decided = replyTo(counted.answer, counted.is_failing)
      const row: RequestRow = {
        ...{ id, method: request.method, query: request.query },
        headers: withoutSecrets(request.headersDistinct, subscriptions),
        body: request.body.subarray(0, receiverLimits.bodyBytes),
        body_bytes: request.body.length,
        webhook_id: webhookId,
        subscription_id: subscriptionId,
        signature,
        signature_detail: detail,
        status: statusOf(decided),
      }
      await keepRequest(tx, receiverId, row, {
        requestsMax: receiverLimits.requests,
        bytesMax: receiverLimits.keptBytes,
      })
      return decided
    })
    receivers.received({
      ...{ kind: 'received', id, receiverId, tenant, at: uuidTime(id), method: request.method },
      ...{ webhookId, subscriptionId, signature, status: statusOf(reply) },
    })
    return reply
  }

  /**
   * Waits as long as a receiver was told to, less when the service stops: then it answers at once.
   *
   * @param left aborted when nobody waits for the answer any more
   * @throws AppError overloaded
   */
  async delay(delayMs: number, left: AbortSignal): Promise<void> {
    if (delayMs === 0) return
    if (this.#delayed >= delayedMax)
      throw overloaded('Too many answers of test receivers are delayed; send this one again shortly.')
    this.#delayed++
    const signal = AbortSignal.any([this.#stopping.signal, left])
    await sleep(delayMs, undefined, { signal }).catch(() => {}) // answered now
    this.#delayed--
  }

  stop(): void {
    this.#stopping.abort()
  }
}

export function unknownReceiver(): AppError {
  return new AppError('not_found', 'There is no test receiver at this address, or its time is over.')
}

function statusOf(reply: Reply): number | null {
  return reply.kind === 'drop' ? null : reply.status
}

/** The id that the sender has given the message, by the name that the subscription uses for it. */
function webhookIdOf(headers: IncomingHttpHeaders, subscriptions: readonly Subscription[]): string | null {
  const names = new Set([
    'webhook-id',
    ...subscriptions.map(({ signingHeaders }) => signingHeaders.id.toLowerCase()),
  ])
  for (const name of names) {
    const value = headers[name]?.toString()
    if (value !== undefined && /^[\x21-\x7e]{1,255}$/.test(value)) return value
  }
  return null
}

/**
 * The headers as they are shown. What subscriptions add by themselves is masked wherever they are shown, and who may read
 * what receivers got is not always who may read that.
 */
function withoutSecrets(
  headers: IncomingRequest['headersDistinct'],
  subscriptions: readonly Subscription[],
): HeaderFields {
  const added = new Set(subscriptions.flatMap(namesAdded))
  const fields: [string, string | readonly string[]][] = []
  for (const [name, values] of Object.entries(headers)) {
    if (values === undefined) continue
    const isSecret = isCredentialHeader(name) || (added.has(name) && isSecretRequestHeader(name))
    const [first = '', ...others] = isSecret ? [redacted] : values
    fields.push([name, others.length === 0 ? withoutNul(first) : [first, ...others].map(withoutNul)])
  }
  return Object.fromEntries(fields)
}

function namesAdded({ headers }: Subscription): readonly string[] {
  return headers.filter((_, index) => index % 2 === 0).map(name => name.toLowerCase())
}

/** Node lets no NUL through; half a surrogate cannot come out of latin1 either. PostgreSQL could store neither. */
function withoutNul(value: string): string {
  return value.replaceAll('\u0000', '')
}
