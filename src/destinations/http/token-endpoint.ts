import { Agent, request } from 'undici'
import type { Connector } from '../../egress/connector.ts'
import { errorText, type Fault } from '../../model/outcome.ts'
import type { OAuthClient } from '../../subscriptions/auth.ts'
import { classify } from './error-class.ts'

/** What a token endpoint came to. */
export type TokenAnswer =
  | {
      readonly kind: 'token'
      readonly token: string
      /** How long it holds, in seconds. */
      readonly lifetimeSeconds: number
    }
  | NoToken

export interface NoToken {
  readonly kind: 'no token'
  readonly fault: Extract<Fault, 'credentials' | 'ours'>
  readonly errorCode: string
  /** Fit for the log: it holds nothing of what was sent, or of the description that the server gave. */
  readonly error: string
}

const answerBytesMax = 65_536
const tokenCharsMax = 8192

/** Of a token whose server does not say it. */
const lifetimeSeconds = { usual: 300, most: 30 * 86_400 } as const

/** Asks token endpoints for access tokens (RFC 6749, 4.4), over connections that egress makes. */
export class TokenEndpoint {
  readonly #agent: Agent

  constructor(connector: Connector) {
    this.#agent = new Agent({ connect: connector, allowH2: false, connections: 2, keepAliveTimeout: 1500 })
  }

  /** Never rejects. Redirects are not followed: they would take the secret elsewhere. */
  async ask(client: OAuthClient, signal: AbortSignal): Promise<TokenAnswer> {
    try {
      const { statusCode, body } = await request(client.tokenUrl, {
        dispatcher: this.#agent,
        method: 'POST',
        ...formOf(client),
        signal,
      })
      return readAnswer(statusCode, await readUpTo(body, answerBytesMax))
    } catch (error) {
      if (signal.aborted) return timedOut
      return unreachable(error)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** It took longer than the attempt may. */
export const timedOut: NoToken = {
  kind: 'no token',
  fault: 'credentials',
  errorCode: 'TOKEN_TIMEOUT',
  error: 'the token endpoint did not answer in time',
}

function formOf({ clientId, clientSecret, clientAuth, scope, audience }: OAuthClient) {
  const inBody = clientAuth === 'body'
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(scope !== null && { scope }),
    ...(audience !== null && { audience }),
    ...(inBody && { client_id: clientId, client_secret: clientSecret }),
  })
  const pair = `${formEncoded(clientId)}:${formEncoded(clientSecret)}`
  return {
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      ...(!inBody && { authorization: `Basic ${Buffer.from(pair).toString('base64')}` }),
    },
    body: form.toString(),
  }
}

/** As RFC 6749, 2.3.1 wants both before they are joined. */
function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}

async function readUpTo(body: AsyncIterable<Buffer>, bytesMax: number): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > bytesMax) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function readAnswer(status: number, text: string | undefined): TokenAnswer {
  const answer = parsed(text)
  if (status !== 200 && status !== 201) return refused(status, answer.error)
  const { access_token: token, token_type: type, expires_in: expiresIn } = answer
  if (typeof token !== 'string' || token.length > tokenCharsMax || !/^[\x21-\x7e]+$/.test(token)) {
    return invalid('without an access token that can be sent')
  }
  // An object has a text only where its own names let it have one.
  if (type !== undefined && !(typeof type === 'string' && /^bearer$/i.test(type)))
    return invalid('with a token that is no Bearer token')
  const isNumber = typeof expiresIn === 'number' || typeof expiresIn === 'string'
  const lifetime = isNumber ? Number(expiresIn) : lifetimeSeconds.usual
  return {
    kind: 'token',
    token,
    lifetimeSeconds: lifetime > 0 ? Math.min(lifetime, lifetimeSeconds.most) : lifetimeSeconds.usual,
  }
}

function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text ?? ''))
  } catch {
    return {}
  }
}

/** Of what it said only the code of the error, which is from a list (RFC 6749, 5.2): the rest may repeat what was sent. */
function refused(status: number, code: unknown): NoToken {
  const named = typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? `: ${code}` : ''
  return {
    ...{ kind: 'no token', fault: 'credentials', errorCode: refusalCode(status) },
    error: `the token endpoint answered ${status}${named}`,
  }
}

/** Who can change it: whoever set the credentials, or whoever runs the endpoint. */
function refusalCode(status: number): string {
  if (status >= 500 || status === 429) return 'TOKEN_FAILED'
  return status >= 300 && status < 400 ? 'TOKEN_MOVED' : 'TOKEN_REFUSED'
}

function invalid(how: string): NoToken {
  return {
    ...{ kind: 'no token', fault: 'credentials', errorCode: 'TOKEN_INVALID' },
    error: `the token endpoint answered ${how}`,
  }
}

function unreachable(error: unknown): NoToken {
  const { fault, errorClass, errorCode, error: why } = classify(error)
  if (fault === 'ours') return { kind: 'no token', fault, errorCode: errorCode ?? errorClass, error: why }
  const code = { blocked: 'TOKEN_BLOCKED', timeout: 'TOKEN_TIMEOUT' }[errorClass as string]
  return {
    ...{ kind: 'no token', fault: 'credentials', errorCode: code ?? 'TOKEN_UNREACHABLE' },
    error: errorText(`no answer of the token endpoint: ${why}`),
  }
}
