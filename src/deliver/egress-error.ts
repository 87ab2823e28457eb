import type { ErrorClass } from './outcome.ts'

/** What those hear whose address leads to where the guard lets nobody; never which address that is. */
export const addressNotAllowed = 'the address of this host is not allowed'

/** Why a connection was not made, where the reason is our own: rules, names, the proxy. Its message is for everyone. */
export class EgressError extends Error {
  override readonly name = 'EgressError'
  readonly errorClass: ErrorClass
  readonly code: string

  constructor(errorClass: ErrorClass, code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.errorClass = errorClass
    this.code = code
  }
}

export function blocked(message: string): EgressError {
  return new EgressError('blocked', 'BLOCKED', message)
}
