export interface FieldProblem {
  /** A JSON Pointer into the body, or the name of a parameter. */
  readonly pointer: string
  readonly detail: string
}

/** What the service answered instead of what was asked for (RFC 9457). */
export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'
  readonly status: number
  readonly code: string
  readonly requestId: string | undefined
  readonly errors: readonly FieldProblem[]

  constructor(status: number, body: unknown) {
    const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
    super(typeof problem.detail === 'string' ? problem.detail : `The service answered ${status}.`)
    this.status = status
    this.code = typeof problem.code === 'string' ? problem.code : ''
    this.requestId =
      typeof problem.instance === 'string' ? problem.instance.replace(/^urn:uuid:/, '') : undefined
    this.errors = Array.isArray(problem.errors) ? (problem.errors as FieldProblem[]) : []
  }
}

export interface Sentence {
  readonly sentence: string
  readonly requestId: string | undefined
  readonly errors: readonly FieldProblem[]
}

/** What went wrong, for people. */
export function sentenceOf(error: unknown): Sentence {
  // The page asks for a key then, which is given in another way than programs give theirs.
  if (isStatus(error, 401)) {
    const sentence = 'The session had ended, so this was not done. Do it again.'
    return { sentence, requestId: undefined, errors: [] }
  }
  if (error instanceof ApiProblem) {
    const { message, requestId, errors } = error
    return { sentence: message.replace(/^\//, ''), requestId, errors }
  }
  if (error instanceof TypeError && /fetch|network|load failed/i.test(error.message))
    return { sentence: 'The service cannot be reached. It is tried again.', requestId: undefined, errors: [] }
  return {
    sentence: error instanceof Error ? error.message : String(error),
    requestId: undefined,
    errors: [],
  }
}

export function isStatus(error: unknown, status: number): boolean {
  return error instanceof ApiProblem && error.status === status
}
