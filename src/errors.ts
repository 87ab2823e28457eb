/**
 * All errors that a caller of the API can get: code → HTTP status and title. The `detail` is written where the error is
 * thrown, and says what to do.
 */
export const errorCodes = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_request: { status: 400, title: 'The request is malformed' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid' },
  unauthorized: { status: 401, title: 'No valid credentials' },
  invalid_signature: { status: 401, title: 'The signature is missing or wrong' },
  forbidden: { status: 403, title: 'Not allowed' },
  host_not_allowed: { status: 403, title: 'Not a name of this service' },
  origin_not_allowed: { status: 403, title: 'Sent by another web page' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  tenant_taken: { status: 409, title: 'The id of the tenant is taken' },
  tenant_stays: { status: 409, title: 'This tenant cannot be deleted' },
  last_admin_key: { status: 409, title: 'The last key that may do everything' },
  idempotency_in_progress: { status: 409, title: 'The same request is still running' },
  event_id_taken: { status: 409, title: 'There is an event with this id' },
  uid_taken: { status: 409, title: 'The uid is taken' },
  too_many_secrets: { status: 409, title: 'Too many signing secrets at a time' },
  not_tried_now: { status: 409, title: 'The delivery cannot be tried now' },
  already_sent: { status: 409, title: 'Sent already' },
  catalogue_full: { status: 409, title: 'The catalogue of event types is full' },
  sources_full: { status: 409, title: 'Too many sources' },
  test_receivers_full: { status: 409, title: 'Too many test receivers' },
  payload_expunged: { status: 410, title: 'The payload was removed' },
  version_conflict: { status: 412, title: 'Changed by someone else' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  idempotency_key_reused: { status: 422, title: 'The key was used for another request' },
  validation_failed: { status: 422, title: 'The request did not pass validation' },
  payload_refused: { status: 422, title: 'The payload does not fit its event type' },
  fan_out_too_large: { status: 422, title: 'More subscriptions want the event than can get it' },
  too_many_wrong_keys: { status: 429, title: 'Too many wrong API keys' },
  rate_limited: { status: 429, title: 'Too many requests with this key' },
  too_many_streams: { status: 429, title: 'Too many event streams with this key' },
  not_verified: { status: 409, title: 'The receiver has not been verified' },
  too_many_checks: { status: 429, title: 'Too many ownership checks' },
  too_many_tests: { status: 429, title: 'Too many tests at a time' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal: { status: 500, title: 'Internal error' },
  overloaded: { status: 503, title: 'Too busy to accept more' },
  certificate_unavailable: { status: 503, title: 'The provider could not be reached' },
  database_unavailable: { status: 503, title: 'The database is not available' },
  shutting_down: { status: 503, title: 'Shutting down' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>

export type ErrorCode = keyof typeof errorCodes

/** A field with a fault. `pointer` is a JSON Pointer (RFC 6901) into the body, or the name of a parameter or header. */
export interface FieldError {
  readonly pointer: string
  readonly detail: string
}

/** A JSON Pointer (RFC 6901) to a field, from the names that lead to it. */
export function jsonPointer(...names: readonly string[]): string {
  return names.map(name => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

export interface AppErrorOptions {
  readonly cause?: unknown
  readonly errors?: readonly FieldError[]
  /** Seconds for `Retry-After`; a 429 and a 503 have 1 unless given. */
  readonly retryAfterSeconds?: number
  /** More for programs to read: members of the problem besides those of every one (RFC 9457, 3.2). */
  readonly members?: Readonly<Record<string, string | number>>
}

/** An error for the caller of the API. Only `http/problem.ts` turns it into an answer. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly errors: readonly FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined
  readonly members: Readonly<Record<string, string | number>> | undefined

  constructor(code: ErrorCode, detail: string, options: AppErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
    this.members = options.members
  }
}

/** A start fails because of the settings or the environment. It is printed without a stack; the exit code is 1. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}

/** A start was ended by a request to stop. Nothing failed. */
export class StartCancelled extends Error {
  override readonly name = 'StartCancelled'

  constructor() {
    super('The start was given up because the service is to stop.')
  }
}

/** The code of any error, such as `ENOENT`, or a SQLSTATE. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The message of any error, without its stack. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The error for fields with faults. With one field, `detail` names it; with several, `detail` has their number. */
export function validationFailed(errors: readonly FieldError[]): AppError {
  const [first] = errors
  const detail =
    errors.length === 1 && first !== undefined
      ? `${first.pointer === '' ? 'The body' : first.pointer}: ${first.detail}`
      : `${errors.length} fields did not pass; see errors.`
  return new AppError('validation_failed', detail, { errors })
}

/**
 * The refusal of an event that cannot be made durable soon. `Retry-After` is a random 1 to 3 s, so that callers that are
 * refused at the same time do not come back at the same time.
 */
export function overloaded(detail: string, random: () => number = Math.random): AppError {
  return new AppError('overloaded', detail, { retryAfterSeconds: 1 + Math.floor(random() * 3) })
}
