import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { AppError } from '../errors.ts'
import { readContentHeaders, readHops } from '../ingest/envelope.ts'
import { hashOfName } from '../ingest/names.ts'
import type { Answered, Once } from '../ingest/once.ts'
import { readTraceparent } from '../model/traceparent.ts'
import type { Clock } from '../platform/clock.ts'
import type { Publisher, PublishRequest } from '../publish/publisher.ts'
import type { Certificates, Visit } from './certificates.ts'
import type { ChallengeAnswer } from './challenge.ts'
import { eventTypeOf, forwardedHeaders, repeatIdOf } from './event-of.ts'
import type { InboundRequest } from './inbound-request.ts'
import { Judge, type Judgement, type VerifiedBy } from './judge.ts'
import type { KnownSource, KnownSources } from './known-sources.ts'
import { bodyHmac } from './presets/schemes.ts'
import { reasonSentence, type SourceRefusalReason } from './reasons.ts'
import type { SourceRecords } from './records.ts'
import { bodyBytesOf, shownBody, shownHeaders, shownQuery } from './shown-request.ts'

export interface SourceReceivingDeps {
  readonly sources: Pick<KnownSources, 'ofToken'>
  readonly certificates: Pick<Certificates, 'keyOf' | 'fetch'>
  /** Reads what is at an address of a provider, where the rules for addresses allow it. */
  readonly visit: Visit
  readonly records: Pick<SourceRecords, 'accepted' | 'refused'>
  readonly publisher: Pick<Publisher, 'publish'>
  readonly once: Pick<Once, 'accept'>
  readonly clock: Clock
  /** What a deleted tenant had takes nothing any more. */
  readonly isDeleted: (tenant: string) => boolean
  /** How long a request that is refused waits before that; see `secondLookMs`. */
  readonly secondLookMs?: number
}

/** A request to an address of a source, as it came. */
export interface SourceRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Each value by itself where a name came more than once. */
  readonly headersDistinct: Readonly<Record<string, readonly string[] | undefined>>
  /** The query with its question mark, or empty. */
  readonly search: string
  readonly body: Buffer
}

/** What came of a request that was not refused. */
export type Received =
  | { readonly kind: 'challenge'; readonly answer: ChallengeAnswer }
  | {
      readonly kind: 'accepted'
      readonly source: KnownSource
      readonly eventType: string | null
      readonly published: Answered
    }

/**
 * How long a request waits that is refused. A source or a secret that another process has just made is heard of in this
 * time, and then the request is right.
 */
const secondLookMs = 250
/** At most this many wait, with bodies of this many bytes together. More are refused at once. */
const waitingMax = 1000
const waitingBytesMax = 16_777_216

/** Takes the place of a source where there is none, so that the check takes as long. */
const decoy: VerifiedBy = {
  verification: bodyHmac('x-hub-signature-256', 'hex', 'sha256='),
  secrets: [{ text: randomBytes(32).toString('hex'), expiresAt: null }],
  ...{ challenge: undefined, toleranceSeconds: undefined, publicUrl: undefined },
}

/**
 * Takes what providers send: verifies it, publishes it once, and records what it refuses.
 *
 * An address that does not exist is answered as a request that cannot be verified is, in the same way and after the same
 * time. Trying addresses asks the database nothing.
 */
export class SourceReceiving {
  readonly #deps: SourceReceivingDeps
  readonly #judge: Judge
  /** Events of providers that are being published in this process. */
  readonly #running = new Map<string, Promise<Answered>>()
  #waiting = 0
  #waitingBytes = 0

  constructor(deps: SourceReceivingDeps) {
    this.#deps = deps
    this.#judge = new Judge(deps)
  }

  /**
   * When this resolves with `accepted`, the event and all it owes are committed.
   *
   * @throws AppError invalid_signature for what cannot be verified, also where there is no such source; payload_refused;
   *   and what `Publisher.publish` throws
   */
  async receive(token: string, request: SourceRequest): Promise<Received> {
    const first = await this.#decide(token, request)
    if (first.kind !== 'refused') return this.#go(first, request)
    await this.#wait(request.body.length)
    const decided = await this.#decide(token, request)
    if (decided.kind !== 'refused') return this.#go(decided, request)
    if (decided.source) this.#record(decided.source, request, decided.reason)
    // A provider may take 401 for an answer that lasts.
    if (decided.reason === 'certificate_unavailable')
      throw new AppError('certificate_unavailable', reasonSentence(decided.reason))
    throw new AppError('invalid_signature', strangerSentence)
  }

  /** A request whose body is larger than any that is read: its owner hears of it. */
  tooLarge(token: string, request: SourceRequest): void {
    const source = this.#deps.sources.ofToken(token)
    if (source === undefined || this.#deps.isDeleted(source.tenant)) return
    this.#record(source, request, 'body_too_large')
  }

  #decide(token: string, request: SourceRequest): Decided | Promise<Decided> {
    const found = this.#deps.sources.ofToken(token)
    const source = found && this.#deps.isDeleted(found.tenant) ? undefined : found
    const judged = this.#judge.judge(source ?? decoy, request)
    return judged instanceof Promise
      ? judged.then(one => decisionOf(one, source))
      : decisionOf(judged, source)
  }

  async #wait(bytes: number): Promise<void> {
    if (this.#waiting >= waitingMax || this.#waitingBytes + bytes > waitingBytesMax) return
    this.#waiting++
    this.#waitingBytes += bytes
    await setTimeout(this.#deps.secondLookMs ?? secondLookMs)
    this.#waiting--
    this.#waitingBytes -= bytes
  }

  async #go(decided: Exclude<Decided, { kind: 'refused' }>, request: SourceRequest): Promise<Received> {
    if (decided.kind === 'challenge') {
      if (decided.answer.visit !== undefined) await this.#visit(decided.answer.visit)
      return decided
    }
    const { source, inbound } = decided
    try {
      const eventType = eventTypeOf(source, inbound)
      const published = await this.#publish(source, inbound, eventType, request)
      this.#deps.records.accepted(source.id, published.isReplayed)
      return { kind: 'accepted', source, eventType, published }
    } catch (error) {
      const reason = refusalOf(error)
      if (reason !== undefined) this.#record(source, request, reason)
      throw error
    }
  }

  /** @throws AppError certificate_unavailable, so that the provider asks again */
  async #visit(url: string): Promise<void> {
    const { visit } = this.#deps
    const status = await visit(url).then(
      answer => answer.status,
      () => undefined,
    )
    if (status !== undefined && status < 300) return
    throw new AppError(
      'certificate_unavailable',
      'The address by which this is confirmed could not be visited. Ask again.',
    )
  }

  #publish(
    source: KnownSource,
    inbound: InboundRequest,
    eventType: string | null,
    { headers, body: payload }: SourceRequest,
  ): Promise<Answered> {
    const providerId = repeatIdOf(source, inbound)
    const event: PublishRequest = {
      ...{ tenant: source.tenant, eventType, channels: source.channels, headers, payload },
      ...{ eventId: null, idempotencyKey: null, deliverAt: null, to: null },
      metadata: {
        ...source.metadata,
        source: source.name,
        ...(providerId !== undefined && { provider_id: shortened(providerId) }),
      },
      ...readContentHeaders(headers),
      hops: readHops(headers),
      traceparent: readTraceparent(headers),
      forwarded: forwardedHeaders(source, headers),
    }
    if (providerId === undefined) return this.#publishOne(event)
    return this.#publishOnce(event, `${source.id} ${providerId}`)
  }

  async #publishOne(event: PublishRequest): Promise<Answered> {
    return { ...(await this.#deps.publisher.publish(event)), isReplayed: false }
  }

  /**
   * Whoever sends the same while it is being published waits for what comes of it: to most providers a refusal is a failure
   * that they count.
   */
  async #publishOnce(event: PublishRequest, name: string): Promise<Answered> {
    const running = this.#running.get(name)
    if (running !== undefined) return { ...(await running), isReplayed: true }
    // Of the request only the id counts: a provider that sends it again may say in it how many times it has tried.
    const hash = hashOfName(event.tenant, 'source', name)
    const names = { idempotencyKey: hash, eventId: null, request: hash }
    const publishing = this.#deps.once
      .accept(names, () => this.#deps.publisher.publish({ ...event, names }))
      .finally(() => this.#running.delete(name))
    this.#running.set(name, publishing)
    return publishing
  }

  #record(source: KnownSource, request: SourceRequest, reason: SourceRefusalReason): void {
    const { method, body } = request
    this.#deps.records.refused(source.id, {
      ...{ reason, method: method.slice(0, 16), query: shownQuery(source, request.search) },
      headers: shownHeaders(source, request.headersDistinct),
      body: shownBody(source, body, request.headers), // a copy: the rest is let go
      body_bytes: bodyBytesOf(body, request.headers),
    })
  }
}

function decisionOf(judged: Judgement, source: KnownSource | undefined): Decided {
  switch (judged.kind) {
    case 'challenge':
      return judged
    case 'refused':
      return { ...judged, source }
    case 'verified':
      return source === undefined
        ? { kind: 'refused', source, reason: 'signature_mismatch' }
        : { ...judged, source }
  }
}

type Decided =
  | { readonly kind: 'challenge'; readonly answer: ChallengeAnswer }
  | { readonly kind: 'verified'; readonly source: KnownSource; readonly inbound: InboundRequest }
  | {
      readonly kind: 'refused'
      readonly source: KnownSource | undefined
      readonly reason: SourceRefusalReason
    }

const strangerSentence =
  'This request could not be verified: its signature, or its token, is missing or wrong, or it is too old. The owner of the source sees why at GET /sources/{id}/refusals. An address that does not exist is answered alike.'

/** What an event was refused with that nobody but its sender could change; undefined: it may be sent again. */
function refusalOf(error: unknown): SourceRefusalReason | undefined {
  if (!(error instanceof AppError)) return undefined
  switch (error.code) {
    case 'payload_refused':
    case 'fan_out_too_large':
      return error.code
    case 'validation_failed':
      return 'unfit_headers'
    default:
      return undefined
  }
}

const metadataCharsMax = 500

function shortened(text: string): string {
  return text.slice(0, metadataCharsMax).replaceAll('\u0000', '').toWellFormed()
}
