import { type Capture, type ExchangeDetails, redactRequest, roundedMs } from '../../model/exchange-details.ts'
import type { Outcome } from '../../model/outcome.ts'
import type { OAuthClient } from '../../subscriptions/auth.ts'
import type { Message } from '../destination.ts'
import type { AccessTokens } from './access-tokens.ts'
import type { NoToken } from './token-endpoint.ts'

export interface TokenDelivery {
  readonly capture: Capture
  readonly tokens: AccessTokens | undefined
  readonly send: (message: Message, timeoutMs: number) => Promise<Outcome>
}

const unauthorized = 401

/**
 * Delivers a message with an access token of OAuth 2: all of it within `timeoutMs`. Where the receiver answers 401, another
 * token is fetched and the message is sent once more, within the same attempt: the first one was refused, so it is not a
 * repeat.
 */
export async function deliverWithToken(
  { capture, tokens, send }: TokenDelivery,
  message: Message,
  client: OAuthClient,
  timeoutMs: number,
): Promise<Outcome> {
  const startedAt = performance.now()
  const elapsedMs = () => Math.round(performance.now() - startedAt)
  const leftMs = () => Math.max(1, timeoutMs - (performance.now() - startedAt))
  const failed = (no: NoToken) => withoutToken(no, message, capture, elapsedMs())
  if (tokens === undefined) throw new Error('a destination without tokens was given a message that needs one')
  const access = await tokens.get(client, leftMs())
  if (access.kind === 'no token') return failed(access)
  const outcome = { ...(await send(authorized(message, access.token), leftMs())), durationMs: elapsedMs() }
  if (outcome.httpStatus !== unauthorized || elapsedMs() >= timeoutMs) return outcome
  const other = await tokens.renew(client, access.token, leftMs())
  if (other === undefined) return outcome
  if (other.kind === 'no token') return failed(other)
  const second = await send(authorized(message, other.token), leftMs())
  tokens.renewed(client, second.httpStatus === unauthorized)
  return { ...second, durationMs: elapsedMs() }
}

/** A header of this name that came with the event is not sent beside it. */
function authorized(message: Message, token: string): Message {
  const others = message.headers.filter((_, at) => !isAuthorization(message.headers[at - (at % 2)]))
  return { ...message, headers: [...others, 'authorization', `Bearer ${token}`] }
}

function isAuthorization(name: string | undefined): boolean {
  return name?.toLowerCase() === 'authorization'
}

function withoutToken(
  { fault, errorCode, error }: NoToken,
  { to, headers }: Message,
  capture: Capture,
  durationMs: number,
): Outcome {
  const isRemembered = (to.capture ?? capture.of) !== 'none'
  return {
    ...{ kind: 'unreachable', fault, errorClass: 'credentials', errorCode, error, durationMs },
    ...(isRemembered && { exchange: notSent(to, headers, durationMs) }),
  }
}

/** What is remembered of a message that was not sent. */
function notSent(to: Message['to'], headers: readonly string[], durationMs: number): ExchangeDetails {
  const { id, timestamp, attempt } = to.signingHeaders
  const notMeasured = { dns: null, connect: null, tls: null, first_byte: null }
  return {
    request: {
      method: 'POST',
      url: to.origin + to.path,
      headers: redactRequest(headers, [id, timestamp, attempt]),
    },
    response: null,
    responseBody: Buffer.alloc(0),
    timings: { reused: false, repeated: false, ...notMeasured, total: roundedMs(durationMs) },
    remoteAddress: null,
  }
}
