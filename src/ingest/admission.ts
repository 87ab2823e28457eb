import { createSecretKey, randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { mayCall, notForThisKey } from '../http/access.ts'
import type { Callers } from '../http/auth.ts'
import { parseSubscriptionId, parseWholeNumber, uidIn, unknownSubscription } from '../http/parameters.ts'
import { type Caller, defaultTenant, localOperator } from '../model/caller.ts'
import type { Inbound } from '../subscriptions/inbound-fields.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import type { InboundJudged, JudgeInbound } from './inbound.ts'
import { type GivenSignature, isSignedWith, readSignature } from './verify.ts'

export interface AdmissionDeps {
  readonly subscription: (id: number) => Subscription | undefined
  /** Reads it from the database, because another process may just have made it. */
  readonly findSubscription: (id: number) => Promise<Subscription | undefined>
  /** The one that a tenant calls so. */
  readonly subscriptionWithUid: (tenant: string, uid: string) => Subscription | undefined
  /** Reads its id from the database where memory knows none. */
  readonly findIdOfUid: (tenant: string, uid: string) => Promise<number | undefined>
  /** Whether any subscription has `inbound`; none has unless given. */
  readonly hasInbound?: () => boolean
  /** Undefined when the service asks for no keys. */
  readonly callers: Callers | undefined
  /** Says whether a request is from the provider that a subscription names; needed where one names any. */
  readonly judgeInbound?: JudgeInbound
  /** Whether a request asks by its headers for a certificate, wherever it is sent to; none does unless given. */
  readonly namesCertificate?: (headers: IncomingMessage['headers']) => boolean
  /** Told of each request to a subscription with `inbound` that is refused, with its reason. */
  readonly onInboundRefused?: (
    subscription: Subscription,
    request: IncomingMessage,
    reason: string,
    body: Buffer,
  ) => void
  /** Told of each that was verified. */
  readonly onInboundVerified?: (subscription: Subscription) => void
  /** How long a stranger's wrong signature waits for its answer; replaced in tests, as is the time for a certificate. */
  readonly secondLookMs?: number
  readonly certificateLookMs?: number
}

/** What the headers of an event say about who sends it. */
export interface Sender {
  /** Who has a valid API key, or the operator where none is asked for; undefined: a stranger. */
  readonly caller: Caller | undefined
  readonly signature: GivenSignature | 'missing' | 'malformed'
}

/**
 * How long a wrong signature waits before it is refused. A subscription or a secret that another process has just made is
 * heard of in this time, and then the signature is right.
 */
const secondLookMs = 250
/** The same where the request names a certificate: one that was not fetched before mostly comes in this time. */
const certificateLookMs = 2000
/**
 * After this part of that time it is looked at again, and the answer comes at its end: so how long the looks took, of a
 * large body with one check and of the same with none, is not in the time of the answer.
 */
const lookAfterPart = 0.8
/** At most this many wait, with bodies of this many bytes together. More are refused at once. */
const waitingMax = 1000
const waitingBytesMax = 16_777_216

/** A request of a stranger that would be refused as things are. */
interface Waiting {
  /** On the monotonic clock. */
  readonly arrivedAt: number
  readonly request: IncomingMessage
  readonly body: Uint8Array
  readonly fetching?: Promise<void> | undefined
}

/** Takes the place of the secret where there is none, so that the check takes as long. */
const decoy = createSecretKey(randomBytes(32))

/**
 * Who may send to a subscription: with a secret, whoever signs with it; without one, whoever has an API key where keys are
 * asked for.
 *
 * A stranger, who has neither, gets one answer, in the same way and after the same time, whether there is such a
 * subscription, whether it has a secret, and whether it is verified as a provider signs. So ids cannot be found by trying,
 * and trying asks the database nothing. Where no subscription has `inbound`, a stranger without a signature is refused
 * before the body is read; else the body is read and waits, whatever the id is, because some providers sign in the body.
 * Who has a key is told what is wrong.
 */
export class Admission {
  readonly #deps: AdmissionDeps
  readonly #secondLookMs: number
  readonly #certificateLookMs: number
  #waiting = 0
  #waitingBytes = 0

  constructor(deps: AdmissionDeps) {
    this.#deps = deps
    this.#secondLookMs = deps.secondLookMs ?? secondLookMs
    this.#certificateLookMs = deps.certificateLookMs ?? certificateLookMs
  }

  /**
   * Decides what the headers are enough for, before the body is read. A promise only when the database has to be asked, or
   * the request is counted.
   *
   * @param count counts the request of a caller with a key, before more is decided; see `Callers.count`
   * @throws AppError, at once or by the promise
   */
  byHeaders(
    id: string,
    request: IncomingMessage,
    count: (caller: Caller) => Promise<void> | undefined = () => undefined,
  ): Sender | Promise<Sender> {
    const { callers } = this.#deps
    const decide = (caller: Caller | undefined): Sender | Promise<Sender> => {
      const counted = caller && count(caller)
      if (counted === undefined) return this.#sender(id, request, caller)
      return counted.then(() => this.#sender(id, request, caller))
    }
    const caller = callers === undefined ? localOperator : callers.identify(request)
    return caller instanceof Promise ? caller.then(decide) : decide(caller)
  }

  #sender(id: string, request: IncomingMessage, caller: Caller | undefined): Sender | Promise<Sender> {
    if (caller !== undefined && !mayCall(caller, 'publish')) throw notForThisKey(caller, 'publish')
    const signatureGiven = () => readSignature(name => request.headers[name]?.toString())
    if (caller === undefined) return this.#stranger(request, signatureGiven())
    const subscription = this.#subscription(id, caller)
    // Where its provider's signature stands, only the judge knows.
    if (subscription?.inbound) return { caller, signature: 'missing' }
    if (subscription?.secret === null) return { caller, signature: 'missing' }
    const signature = signatureGiven()
    const sender = { caller, signature }
    if (subscription === undefined) return this.#find(id, caller).then(() => sender)
    if (typeof signature === 'object') return sender
    throw badSignature(signature)
  }

  /** Knows nothing of what the id stands for, so that it can tell nothing of it. */
  #stranger(request: IncomingMessage, signature: Sender['signature']): Sender | Promise<Sender> {
    const isEnough = typeof signature === 'object' || (this.#deps.hasInbound?.() ?? false)
    return isEnough ? { caller: undefined, signature } : this.#refuse(request)
  }

  /** The subscription, where what comes to it is verified as a provider signs; `withInbound` decides of it then. */
  inbound(id: string, { caller }: Sender): (Subscription & { readonly inbound: Inbound }) | undefined {
    const subscription = this.#subscription(id, caller)
    return subscription && hasInbound(subscription) ? subscription : undefined
  }

  /**
   * What is said of a request to such a subscription; undefined: it needs no signature, as its sender has a key.
   *
   * @throws AppError by the promise: invalid_signature or certificate_unavailable for who has a key, unauthorized for a
   *   stranger, or certificate_unavailable where it names the sender that the provider is to sign for
   */
  async withInbound(
    subscription: Subscription & { readonly inbound: Inbound },
    request: IncomingMessage,
    { caller }: Sender,
    body: Buffer,
  ): Promise<Exclude<InboundJudged, { kind: 'refused' }> | undefined> {
    const { judgeInbound } = this.#deps
    if (judgeInbound === undefined) throw new Error('inbound is set, and nobody can judge it')
    const { method = '', headers, url = '' } = request
    const judge = (by: Inbound) => judgeInbound(by, { method, headers, url, body })
    const arrivedAt = performance.now()
    let judged = await judge(subscription.inbound)
    if (judged.kind === 'refused' && judged.fetching && caller !== undefined) {
      await judged.fetching
      judged = await judge(subscription.inbound)
    }
    if (judged.kind !== 'refused') return this.#verified(subscription, judged)
    if (caller !== undefined && !subscription.inbound.requireSignature) return undefined
    const note = (reason: string) => this.#deps.onInboundRefused?.(subscription, request, reason, body)
    const isUnavailable = judged.reason === 'certificate_unavailable'
    if (caller !== undefined || (isUnavailable && !judged.fetching)) {
      note(judged.reason)
      if (isUnavailable) throw new AppError('certificate_unavailable', judged.detail)
      throw new AppError('invalid_signature', `${judged.detail} (${judged.reason})`)
    }
    const { fetching } = judged
    const second = await this.#secondLook({ arrivedAt, request, body, fetching }, async isLast => {
      const again = this.#subscription(String(subscription.id), undefined)
      const now = again?.inbound ? await judge(again.inbound) : judged
      if (now.kind !== 'refused') return now
      if (isLast) note(now.reason)
      return undefined
    })
    return second === undefined ? this.#refuse(request) : this.#verified(subscription, second)
  }

  #verified<T extends InboundJudged>(subscription: Subscription, judged: T): T {
    if (judged.kind === 'verified') this.#deps.onInboundVerified?.(subscription)
    return judged
  }

  /**
   * Decides with the whole body. A promise only for what is not admitted at once. One that has `inbound`, and was not known
   * before, is for `withInbound` yet.
   *
   * @throws AppError by the promise
   */
  withBody(
    id: string,
    request: IncomingMessage,
    sender: Sender,
    body: Uint8Array,
  ): Subscription | Promise<Subscription> {
    const admitted = this.#admitted(id, sender, body)
    if (admitted !== undefined) return admitted
    return sender.caller === undefined
      ? this.#lookAgain(id, request, sender, body)
      : this.#explain(id, sender, sender.caller, body)
  }

  #admitted(id: string, { caller, signature }: Sender, body: Uint8Array): Subscription | undefined {
    const subscription = this.#subscription(id, caller)
    if (caller !== undefined && subscription?.secret === null) return subscription
    if (typeof signature === 'string') return undefined
    const isSigned = isSignedWith(subscription?.secret ?? decoy, signature, body)
    return isSigned && subscription !== undefined && subscription.secret !== null ? subscription : undefined
  }

  /** For a sender with a key: the subscription may be there by now, else what is wrong. */
  async #explain(id: string, sender: Sender, caller: Caller, body: Uint8Array): Promise<Subscription> {
    if (this.#subscription(id, caller) === undefined) await this.#find(id, caller)
    const admitted = this.#admitted(id, sender, body)
    if (admitted !== undefined) return admitted
    throw badSignature(typeof sender.signature === 'string' ? sender.signature : 'wrong')
  }

  async #lookAgain(
    id: string,
    request: IncomingMessage,
    sender: Sender,
    body: Uint8Array,
  ): Promise<Subscription> {
    const admitted = await this.#secondLook(
      { arrivedAt: performance.now(), request, body },
      () => this.inbound(id, sender) ?? this.#admitted(id, sender, body),
    )
    return admitted ?? this.#refuse(request)
  }

  /**
   * What `look` finds after a while, or when what it may lack is fetched, at once; undefined, when it finds nothing, at a time
   * that has nothing to do with it.
   */
  async #secondLook<T>(
    { arrivedAt, request, body, fetching }: Waiting,
    look: (isLast: boolean) => T | undefined | Promise<T | undefined>,
  ): Promise<T | undefined> {
    const bytes = body.length
    if (this.#waiting >= waitingMax || this.#waitingBytes + bytes > waitingBytesMax) return look(true)
    this.#waiting++
    this.#waitingBytes += bytes
    try {
      const isLong = this.#deps.namesCertificate?.(request.headers) ?? false
      const lookMs = isLong ? this.#certificateLookMs : this.#secondLookMs
      const after = (ms: number) => setTimeout(Math.max(0, arrivedAt + ms - performance.now()))
      const again = after(lookMs * lookAfterPart)
      const fetched = fetching && (await Promise.race([fetching, again]).then(() => look(false)))
      if (fetched !== undefined) return fetched
      await again
      const found = await look(true)
      if (found === undefined) await after(lookMs)
      return found
    } finally {
      this.#waiting--
      this.#waitingBytes -= bytes
    }
  }

  async #refuse(request: IncomingMessage): Promise<never> {
    const error = new AppError('unauthorized', strangerSentence)
    throw (await this.#deps.callers?.refusal(request, error)) ?? error
  }

  /** As the sender sees it: for a key, what is another tenant's is not there. */
  #subscription(id: string, caller: Caller | undefined): Subscription | undefined {
    const uid = uidIn(id)
    const subscription =
      uid === undefined
        ? this.#deps.subscription(parseWholeNumber(id))
        : this.#deps.subscriptionWithUid(tenantOf(caller), uid)
    if (subscription === undefined || caller === undefined) return subscription
    return caller.reach.has(subscription.tenant) ? subscription : undefined
  }

  async #find(name: string, caller: Caller): Promise<Subscription> {
    const uid = uidIn(name)
    const id =
      uid === undefined ? parseSubscriptionId(name) : await this.#deps.findIdOfUid(tenantOf(caller), uid)
    const found = id === undefined ? undefined : await this.#deps.findSubscription(id)
    if (found === undefined || !caller.reach.has(found.tenant)) throw unknownSubscription(name)
    return found
  }
}

/** Whether what comes to it is verified as a provider signs. */
export function hasInbound(one: Subscription): one is Subscription & { readonly inbound: Inbound } {
  return one.inbound !== null
}

/** Whose uid a sender means. A stranger can mean the default tenant's only. */
function tenantOf(caller: Caller | undefined): string {
  return caller?.reach.tenant ?? defaultTenant
}

const strangerSentence =
  'An event needs the signature of the subscription (X-Hub-Signature-256: sha256=<hex>, the HMAC-SHA256 of the exact body with its secret) or a valid API key (Authorization: Bearer whk_…). An id that does not exist is answered alike.'

function badSignature(fault: keyof typeof signatureSentences): AppError {
  return new AppError('invalid_signature', signatureSentences[fault])
}

const signatureSentences = {
  missing:
    'This subscription takes signed events only. Send X-Hub-Signature-256: sha256=<hex>, the HMAC-SHA256 of the raw body with its secret.',
  malformed: 'The signature must have the form sha256=<64 hex digits>.',
  wrong:
    'The signature does not match the body. Sign the exact bytes that are sent, with the secret of this subscription.',
} as const
