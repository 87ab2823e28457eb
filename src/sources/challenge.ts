import { createHmac } from 'node:crypto'
import type { InboundRequest } from './inbound-request.ts'
import type { Challenge } from './preset.ts'
import type { Verified } from './verified.ts'

/** What a provider is answered that asks whether the URL is ours. */
export interface ChallengeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** An address of the provider that has to be visited before it is answered. */
  readonly visit?: string
}

/** An answer has at most this many characters of what was asked: nobody asks for more, and it is somebody else's text. */
const echoCharsMax = 1024

/**
 * The answer to a request that is a challenge; undefined: it is none. Texts are sent back as plain text or JSON, never as a
 * page.
 *
 * @param verify asked for a challenge that comes as a signed POST
 */
export function answerChallenge(
  challenge: Challenge | undefined,
  request: InboundRequest,
  secrets: readonly string[],
  verify: () => Verified,
): ChallengeAnswer | undefined {
  switch (challenge?.kind) {
    case undefined:
      return undefined
    case 'echo field': {
      if (request.method !== 'POST' || request.textAt(challenge.where) !== challenge.is) return undefined
      const text = request.textAt(challenge.field)
      if (text === undefined || text.length > echoCharsMax || secretThatShows(verify()) === undefined)
        return undefined
      return plain(text)
    }
    case 'echo query': {
      const text = request.textAt({ query: challenge.parameter })
      if (request.method !== challenge.method || text === undefined || text.length > echoCharsMax)
        return undefined
      return plain(text)
    }
    case 'unsigned form': {
      const isAlone = request.form.size === 1 && request.form.has(challenge.field)
      return request.method === 'POST' && isAlone ? plain('') : undefined
    }
    case 'ping': {
      const value = request.textAt(challenge.where)
      if (value === undefined || !Object.hasOwn(challenge.answers, value)) return undefined
      const answer = challenge.answers[value]
      if (answer === undefined || request.textAt(challenge.unless) !== undefined) return undefined
      if (secretThatShows(verify()) === undefined) return undefined
      return answer.json ? json(answer.json, answer.status) : { status: answer.status, headers: {}, body: '' }
    }
    case 'signed field': {
      if (request.method !== 'POST' || request.textAt(challenge.where) !== challenge.is) return undefined
      const text = request.textAt(challenge.field)
      if (text === undefined || text.length > echoCharsMax) return undefined
      const secret = secrets[secretThatShows(verify()) ?? -1]
      if (secret === undefined) return undefined
      const signature = createHmac('sha256', secret).update(text).digest('hex')
      return json({ [challenge.as]: text, [challenge.signedAs]: signature })
    }
    case 'visit': {
      if (request.method !== 'POST' || request.textAt(challenge.where) !== challenge.is) return undefined
      const url = request.textAt(challenge.url)
      if (url === undefined || !challenge.urlPattern.test(url)) return undefined
      if (secretThatShows(verify()) === undefined) return undefined
      return { ...plain(''), visit: url }
    }
    case 'cloudevents': {
      const origin = request.textAt({ header: 'webhook-request-origin' })
      if (request.method !== 'OPTIONS' || origin === undefined || !/^[\x21-\x7e]{1,255}$/.test(origin))
        return undefined
      const rate = request.textAt({ header: 'webhook-request-rate' })
      const headers = {
        allow: 'POST, OPTIONS',
        'webhook-allowed-origin': origin,
        ...(rate !== undefined && { 'webhook-allowed-rate': '*' }),
      }
      return { status: 200, headers, body: '' }
    }
    case 'event grid': {
      if (request.textAt({ header: 'aeg-event-type' }) !== 'SubscriptionValidation') return undefined
      const code = request.textAt({ field: '0.data.validationCode' })
      if (code === undefined || code.length > echoCharsMax || secretThatShows(verify()) === undefined)
        return undefined
      return json({ validationResponse: code })
    }
  }
}

function plain(body: string): ChallengeAnswer {
  return { status: 200, headers: { 'content-type': 'text/plain; charset=utf-8' }, body }
}

function json(value: object, status = 200): ChallengeAnswer {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  return { status, headers, body: JSON.stringify(value) }
}

/** Which of the secrets shows who has sent it; undefined: none does. */
function secretThatShows(verified: Verified): number | undefined {
  return verified.kind === 'verified' || verified.kind === 'authenticated' ? verified.secret : undefined
}
