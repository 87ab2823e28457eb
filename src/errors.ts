/**
 * The one table of errors an API caller can meet: code → HTTP status and title.
 * `detail` is written where the error is thrown, and says what to do.
 */
export const errorCodes = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  malformed_request: { status: 400, title: 'The request is malformed' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid' },
  unauthorized: { status: 401, title: 'No valid credentials' },
  invalid_signature: { status: 401, title: 'The signature is missing or wrong' },
  forbidden: { status: 403, title: 'Not allowed' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  request_timeout: { status: 408, title: 'The request took too long to arrive' },
  too_many_secrets: { status: 409, title: 'Too many signing secrets at a time' },
  version_conflict: { status: 412, title: 'Changed by someone else' },
  body_too_large: { status: 413, title: 'The body is too large' },
  uri_too_long: { status: 414, title: 'The address is too long' },
  unsupported_media_type: { status: 415, title: 'Unsupported media type' },
  validation_failed: { status: 422, title: 'The request did not pass validation' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal: { status: 500, title: 'Internal error' },
  overloaded: { status: 503, title: 'Too busy to accept more' },
  database_unavailable: { status: 503, title: 'The database is not available' },
  shutting_down: { status: 503, title: 'Shutting down' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>

export type ErrorCode = keyof typeof errorCodes

/** One field that did not pass; `pointer` is a JSON Pointer (RFC 6901) into the body, or names a parameter. */
export interface FieldError {
  readonly pointer: string
  readonly detail: string
}

export interface AppErrorOptions {
  readonly cause?: unknown
  readonly errors?: readonly FieldError[]
  /** Seconds for `Retry-After`; 503 and 429 get 1 when it is not given. */
  readonly retryAfterSeconds?: number
}

/** An error that is meant for the caller. `http/problem.ts` alone turns it into a response. */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly errors: readonly FieldError[] | undefined
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, detail: string, options: AppErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.errors = options.errors
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** A mistake in the settings or in the surroundings at start: printed as plain text, exit code 1, no stack. */
export class StartupError extends Error {
  override readonly name = 'StartupError'
}

/** The error for fields that did not pass: a single one is told in the summary, several are counted and listed. */
export function validationFailed(errors: readonly FieldError[]): AppError {
  const [first] = errors
  const detail =
    errors.length === 1 && first !== undefined
      ? `${first.pointer === '' ? 'The body' : first.pointer}: ${first.detail}`
      : `${errors.length} fields did not pass; see errors.`
  return new AppError('validation_failed', detail, { errors })
}

/**
 * The refusal of what cannot be made durable soon. When to come again (1 to 3 s) differs from caller to caller, so that
 * those who were refused together do not come again together.
 */
export function overloaded(detail: string, random: () => number = Math.random): AppError {
  return new AppError('overloaded', detail, { retryAfterSeconds: 1 + Math.floor(random() * 3) })
}
