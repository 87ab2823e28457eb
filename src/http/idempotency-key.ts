import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { validationFailed } from '../errors.ts'

export const idempotencyKeyCharsMax = 255

/**
 * The Idempotency-Key of a request: a structured field string (`"8e03…"`, draft-ietf-httpapi-idempotency-key-header), or
 * the same text without its quotes. Null: there is none.
 *
 * @throws AppError validation_failed
 */
export function readIdempotencyKey(headers: IncomingHttpHeaders): string | null {
  const header = headers['idempotency-key']
  if (header === undefined) return null
  const text = String(header).trim()
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(text)?.[1]
  return checkIdempotencyKey(quoted?.replaceAll(/\\(.)/g, '$1') ?? text, 'Idempotency-Key')
}

/** @param pointer how the sender has named it. @throws AppError validation_failed */
export function checkIdempotencyKey(key: string, pointer: string): string {
  if (key.length <= idempotencyKeyCharsMax && /^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$/.test(key)) return key
  const detail = `Must be 1 to ${idempotencyKeyCharsMax} printable ASCII characters.`
  throw validationFailed([{ pointer, detail }])
}

/** The header of an answer that was given before, to the first request with the same key. */
export const replayedHeader = 'idempotent-replayed'

/** For the OpenAPI entry of a route that takes a key. */
export const idempotencyKeyParameter = Type.Optional(
  Type.String({
    minLength: 1,
    maxLength: idempotencyKeyCharsMax,
    pattern: '^[\\x20-\\x7e]+$',
    description:
      'A name of your own for this request, such as a UUID, so that it can be sent again. The same request with the same key gets the first answer again, and is not carried out again. Quotes around it, as of a structured field, do not belong to it',
  }),
)

/** For the answer of such a route. */
export const replayedHeaders = {
  'Idempotent-Replayed': {
    type: 'string',
    enum: ['true'],
    description: 'There when this is the answer to an earlier request with the same `Idempotency-Key`',
  },
}
