import { type FieldError, jsonPointer } from '../errors.ts'
import { type AnswerInput, answerHeaderNames, type ReceiverAnswer } from './schema.ts'

/** What is done with one request. */
export type Reply =
  | { readonly kind: 'drop'; readonly delayMs: number }
  | {
      readonly kind: 'answer'
      readonly delayMs: number
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      readonly body: string
    }

/**
 * How a request is answered.
 *
 * @param isFailing it is one of those that `fail_times` lets fail
 */
export function replyTo(answer: ReceiverAnswer, isFailing: boolean): Reply {
  const { delay_ms: delayMs, headers, body } = answer
  const counts = answer.fail_times !== null
  if (answer.drop && (!counts || isFailing)) return { kind: 'drop', delayMs }
  const status = counts ? statusCounted(answer.status, isFailing) : answer.status
  const waits = answer.retry_after !== null && status >= 300
  return {
    kind: 'answer',
    delayMs,
    status,
    headers: waits ? { ...headers, 'retry-after': String(answer.retry_after) } : headers,
    // Of these statuses none has a body (RFC 9110).
    body: status === 204 || status === 205 || status === 304 ? '' : body,
  }
}

function statusCounted(status: number, isFailing: boolean): number {
  const isFailure = status >= 300
  if (isFailing) return isFailure ? status : 500
  return isFailure ? 200 : status
}

const headerName = /^(content-type|location|retry-after|(webhook|x-test)-[a-z0-9-]{1,64})$/
const headerValue = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/
const quietType =
  /^(application\/(json|problem\+json|octet-stream)|text\/plain)( *; *[a-z0-9-]+ *= *[a-z0-9"._-]+)*$/i

/**
 * What is wrong with the headers of an answer. Whoever may make a receiver decides what the address of this service
 * answers; so only such headers are allowed as do nothing with a browser, a proxy or the service's own pages.
 */
export function answerFaults({ headers = {} }: AnswerInput): readonly FieldError[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const detail = headerFault(name.toLowerCase(), value)
    return detail === undefined ? [] : [{ pointer: jsonPointer('answer', 'headers', name), detail }]
  })
}

function headerFault(name: string, value: string): string | undefined {
  if (!headerName.test(name)) return `An answer can have these headers: ${answerHeaderNames}.`
  if (!headerValue.test(value)) return 'Give visible ASCII characters, with spaces only between them.'
  if (name === 'content-type' && !quietType.test(value))
    return 'Give application/json, application/problem+json, application/octet-stream or text/plain.'
  return undefined
}
