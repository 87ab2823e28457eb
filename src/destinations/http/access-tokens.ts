import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../platform/clock.ts'
import type { OAuthClient } from '../../subscriptions/auth.ts'
import type { AccessToken, TokenShare } from '../../subscriptions/shared-tokens.ts'
import { type NoToken, type TokenAnswer, timedOut } from './token-endpoint.ts'

export interface AccessTokensDeps {
  readonly clock: Clock
  readonly endpoint: {
    ask(client: OAuthClient, signal: AbortSignal): Promise<TokenAnswer>
    close(): Promise<void>
  }
  /** Where processes find the tokens of each other. It may fail: then each has its own. */
  readonly share: TokenShare
}

/** A token that can be sent, or why there is none. */
export type Access = ({ readonly kind: 'token' } & AccessToken) | NoToken

/** How long one fetch may take; attempts wait for it as long as they have time themselves. */
const fetchMsMax = 10_000
/** A token is renewed in this last part of its life, and not earlier than this before its end. */
const renewal = { part: 0.2, msMax: 60_000 } as const
/** After a failure the endpoint is left alone: all that is owed to a receiver would ask it, one after the other. */
const failureMs = 2000
/** After a fresh token was refused, too, a 401 fetches no other for this time: the token is not the reason. */
const uselessMs = 30_000
/** How often others look whether the process that fetches has got one. */
const sharedPollMs = 100
const tokensMax = 10_000

/** What is known of the tokens of one client. */
interface Known {
  token?: AccessToken | undefined
  /** Who asks meanwhile gets what comes of it. */
  fetching?: Promise<Access> | undefined
  failure?: { readonly no: NoToken; readonly until: number } | undefined
  uselessUntil?: number
}

/**
 * Access tokens of OAuth 2, one for each client. They are shared with other processes, kept until they end, and renewed shortly
 * before, while the old one is still used.
 */
export class AccessTokens {
  readonly #deps: AccessTokensDeps
  /** In order of last use. */
  readonly #known = new Map<string, Known>()
  readonly #closing = new AbortController()

  constructor(deps: AccessTokensDeps) {
    this.#deps = deps
  }

  /** A token that holds. Resolves within `timeoutMs`. */
  async get(client: OAuthClient, timeoutMs: number): Promise<Access> {
    const known = this.#knownOf(client)
    const { token } = known
    const now = this.#deps.clock.now()
    const failure = known.failure !== undefined && known.failure.until > now ? known.failure : undefined
    if (token !== undefined && token.expiresAt > now) {
      if (now >= renewFrom(token) && failure === undefined) void this.#fetch(client, known, token.token)
      return { kind: 'token', ...token }
    }
    if (failure !== undefined) return failure.no
    return this.#within(timeoutMs, this.#fetch(client, known, undefined))
  }

  /**
   * Another token than the one that was refused. Undefined: a fresh one was refused not long ago, so that this is not the
   * reason.
   */
  async renew(client: OAuthClient, refused: string, timeoutMs: number): Promise<Access | undefined> {
    const known = this.#knownOf(client)
    if ((known.uselessUntil ?? 0) > this.#deps.clock.now()) return undefined
    // Others may have renewed it since.
    if (known.token !== undefined && known.token.token !== refused) return { kind: 'token', ...known.token }
    known.token = undefined
    return this.#within(timeoutMs, this.#fetch(client, known, refused))
  }

  /** What came of a token that was renewed because the one before was refused. */
  renewed(client: OAuthClient, wasRefused: boolean): void {
    const known = this.#knownOf(client)
    known.uselessUntil = wasRefused ? this.#deps.clock.now() + uselessMs : 0
  }

  /** Ends what is asked for, and asks for nothing more. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await this.#deps.endpoint.close()
  }

  #knownOf({ fingerprint }: OAuthClient): Known {
    const known = this.#known.get(fingerprint) ?? {}
    this.#known.delete(fingerprint) // a Map remembers insertion
    this.#known.set(fingerprint, known)
    const [oldest] = this.#known.keys()
    if (this.#known.size > tokensMax && oldest !== undefined) this.#known.delete(oldest)
    return known
  }

  async #within(timeoutMs: number, access: Promise<Access>): Promise<Access> {
    const over = new AbortController()
    const late = sleep(Math.max(1, timeoutMs), timedOut, { signal: over.signal }).catch(() => timedOut)
    try {
      return await Promise.race([access, late])
    } finally {
      over.abort()
    }
  }

  /** One at a time for each client. @param not a token that will not do, as it was refused or ends */
  #fetch(client: OAuthClient, known: Known, not: string | undefined): Promise<Access> {
    known.fetching ??= this.#fetchNow(client, not)
      .then(access => {
        if (access.kind === 'token') {
          known.token = access
          known.failure = undefined
        } else known.failure = { no: access, until: this.#deps.clock.now() + failureMs }
        return access
      })
      .finally(() => {
        known.fetching = undefined
      })
    return known.fetching
  }

  async #fetchNow(client: OAuthClient, not: string | undefined): Promise<Access> {
    const shared = await this.#shared(client, not)
    if (shared !== undefined) return { kind: 'token', ...shared }
    const { clock, endpoint, share } = this.#deps
    const fetchedAt = clock.now()
    const signal = AbortSignal.any([AbortSignal.timeout(fetchMsMax), this.#closing.signal])
    const answer = await endpoint.ask(client, signal)
    if (answer.kind === 'no token') {
      await share.giveUp(client)
      return this.#closing.signal.aborted ? stopping : answer
    }
    const token = { token: answer.token, fetchedAt, expiresAt: fetchedAt + answer.lifetimeSeconds * 1000 }
    await share.write(client, token)
    return { kind: 'token', ...token }
  }

  /** What another process has got, or gets just now. Undefined: this one is to fetch it. */
  async #shared(client: OAuthClient, not: string | undefined): Promise<AccessToken | undefined> {
    const { share, clock } = this.#deps
    const isNew = (token: AccessToken | undefined) =>
      token !== undefined && token.token !== not && token.expiresAt > clock.now() ? token : undefined
    const until = performance.now() + fetchMsMax
    for (;;) {
      const found = isNew(await share.read(client))
      if (found !== undefined) return found
      if (await share.claim(client, fetchMsMax)) return isNew(await share.read(client))
      if (performance.now() > until || this.#closing.signal.aborted) return undefined
      await sleep(sharedPollMs)
    }
  }
}

function renewFrom({ fetchedAt, expiresAt }: AccessToken): number {
  return expiresAt - Math.min(renewal.msMax, (expiresAt - fetchedAt) * renewal.part)
}

const stopping: NoToken = {
  ...{ kind: 'no token', fault: 'ours', errorCode: 'timeout', error: 'the service is stopping' },
}
