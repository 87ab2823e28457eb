import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { AppError, type ErrorCode, errorCodes } from '../errors.ts'
import type { Logger } from '../platform/logger.ts'

/** The body of every answer that is an error (RFC 9457). */
export const Problem = Type.Object(
  {
    type: Type.String({ description: 'A page about this kind of error, relative to this service' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What was wrong with this request, and what to do' }),
    instance: Type.String({ description: 'The id of the request, also in the header `x-request-id`' }),
    code: Type.String({ description: 'The kind of error, for programs' }),
    webhook_id: Type.Optional(
      Type.String({ format: 'uuid', description: 'With `event_id_taken`: the event that has this id' }),
    ),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({
            description: 'A JSON Pointer into the body, or the name of a parameter',
          }),
          detail: Type.String(),
        }),
      ),
    ),
  },
  {
    $id: 'Problem',
    description: 'What went wrong, as problem details (RFC 9457)',
    examples: [
      {
        type: '/errors/not_found',
        title: 'Not found',
        status: 404,
        detail: 'There is no subscription 7.',
        instance: 'urn:uuid:0193e0a4-6d3c-4d0e-9d0a-3f4a5b6c7d8e',
        code: 'not_found',
      },
    ],
  },
)

export const problemMediaType = 'application/problem+json'

/** What any request can be answered with: it is no HTTP, comes too slowly, has too long headers, or meets a fault. */
const anywhere = [400, 408, 431, 500, 503]

const problemHeaders: Readonly<Record<number, object>> = {
  401: { 'WWW-Authenticate': { type: 'string', description: 'Which credentials are asked for' } },
  409: {
    'Retry-After': { type: 'integer', minimum: 1, description: 'Where waiting helps: seconds to wait' },
  },
  429: {
    'Retry-After': { type: 'integer', minimum: 1, description: 'Seconds to wait before the next try' },
    'RateLimit-Limit': {
      ...{ type: 'integer', minimum: 1 },
      description: 'With `rate_limited`: how many requests this key may send in a second',
    },
    'RateLimit-Remaining': {
      ...{ type: 'integer', minimum: 0 },
      description: 'With `rate_limited`: how many of them are left',
    },
    'RateLimit-Reset': {
      ...{ type: 'integer', minimum: 0 },
      description: 'With `rate_limited`: in how many seconds all of them are there again',
    },
  },
  503: { 'Retry-After': { type: 'integer', minimum: 1, description: 'Seconds to wait before the next try' } },
}

const problemDescriptions: Readonly<Record<number, string>> = {
  429: 'More requests than this key may send, or too many wrong keys from this address',
}

/**
 * The errors of a route for its OpenAPI entry: `response: { 200: …, ...problems(401, 404) }`. Those that any request can
 * meet are among them without being named, as is 429 on a route that asks for a key.
 */
export function problems(...statuses: readonly number[]): Record<number, unknown> {
  return Object.fromEntries(
    [...new Set([...anywhere, ...statuses, ...(statuses.includes(401) ? [429] : [])])].map(status => [
      status,
      {
        description: problemDescriptions[status] ?? STATUS_CODES[status] ?? 'Error',
        headers: problemHeaders[status] ?? {},
        content: { [problemMediaType]: { schema: Problem } },
      },
    ]),
  )
}

interface ProblemAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** The problem details of an error, as an answer has them, or a part of an answer. */
export function problemBody(error: AppError, requestId: string): Readonly<Record<string, unknown>> {
  const { status, title } = errorCodes[error.code]
  return {
    type: `/errors/${error.code}`,
    title,
    status,
    detail: error.message,
    instance: `urn:uuid:${requestId}`,
    code: error.code,
    ...error.members,
    ...(error.errors !== undefined && { errors: error.errors }),
  }
}

/** Turns an error into status, headers and body. The only place that does. */
function problemAnswer(error: AppError, requestId: string): ProblemAnswer {
  const { status } = errorCodes[error.code]
  const body = problemBody(error, requestId)
  const headers: Record<string, string> = {
    'content-type': problemMediaType,
    'cache-control': 'no-store',
    'x-request-id': requestId,
  }
  const retryAfterSeconds = error.retryAfterSeconds ?? (status === 429 || status === 503 ? 1 : undefined)
  if (retryAfterSeconds !== undefined) headers['retry-after'] = String(retryAfterSeconds)
  // Whoever tries keys has to connect anew for each.
  if (error.code === 'too_many_wrong_keys') headers.connection = 'close'
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer'
  if (error.code === 'invalid_signature')
    headers['www-authenticate'] = 'Signature header="X-Hub-Signature-256"'
  return { status, headers, body: JSON.stringify(body) }
}

/** Answers with a problem. A fault of the service (500) is logged with its cause; the answer does not show the cause. */
export function sendProblem(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  log: Logger,
): FastifyReply {
  const known = asAppError(error)
  if (known.code === 'internal') {
    const path = withoutTokens(request.raw.url?.split('?', 1)[0] ?? '')
    log.error({ err: error, request_id: request.id, method: request.method, path }, 'request failed')
  }
  const answer = problemAnswer(known, request.id)
  // As bytes: Fastify adds a charset to the type of a string, and `application/problem+json` has none.
  return reply.code(answer.status).headers(answer.headers).send(Buffer.from(answer.body))
}

/** Addresses of sources and of test receivers let in whoever knows them. */
function withoutTokens(path: string): string {
  return path.replace(/\/(in|t)\/[A-Za-z0-9_-]{43}/, '/$1/…')
}

/** Answers on the socket itself, for a request that could not be parsed or did not arrive in time. */
export function writeRawProblem(socket: Socket, error: AppError, requestId: string): void {
  const answer = problemAnswer(error, requestId)
  const headers = Object.entries({
    ...answer.headers,
    'content-length': String(Buffer.byteLength(answer.body)),
    connection: 'close',
  })
  const head = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Error'}\r\n${head}\r\n${answer.body}`,
  )
}

/** Head and body for an answer that is written to `ServerResponse` itself. */
export function rawProblem(error: AppError, requestId: string): ProblemAnswer {
  return problemAnswer(error, requestId)
}

/** What to do about a content type that is not read. */
export const mediaTypeHint =
  'The content type is not a valid one, or not one that is read here. For JSON it is Content-Type: application/json.'

/** Errors of Fastify → our code, and a sentence that says what to do. */
const frameworkErrors: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'The body is larger than this service accepts. Send less.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', mediaTypeHint],
  FST_ERR_CTP_INVALID_TYPE: ['unsupported_media_type', mediaTypeHint],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: [
    'malformed_request',
    'The body is not as long as Content-Length says. Send the whole body.',
  ],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['malformed_json', 'The body is empty. Send a JSON object.'],
  FST_ERR_CTP_INVALID_JSON_BODY: ['malformed_json', 'The body is not valid JSON.'],
  FST_ERR_BAD_URL: ['malformed_request', 'The path holds a wrong percent-encoding. Encode it as UTF-8.'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', 'There is nothing at this path.'],
  ECONNRESET: ['malformed_request', 'The connection ended before the body did.'],
}

/** Any error as one for a caller; what is none of ours is `internal`. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const { code, statusCode } = Object(error) as Partial<FastifyError> // anything can be thrown
  const known = code === undefined ? undefined : frameworkErrors[code]
  if (known !== undefined) return new AppError(known[0], known[1], { cause: error })
  if (statusCode === 404) return new AppError('not_found', 'There is nothing at this path.', { cause: error })
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new AppError('malformed_request', 'The request cannot be understood.', { cause: error })
  }
  return new AppError('internal', 'Something went wrong here. It was logged under this request id.', {
    cause: error,
  })
}
