import type { ErrorClass } from '../model/outcome.ts'

/** What those hear whose address leads to where the guard lets nobody; never which address that is. */
export const addressNotAllowed = 'the address of this host is not allowed'

/**
 * The proxy of this service cannot be reached, or does not know us. It says nothing of any receiver, so that no attempt
 * is spent on it; a proxy that answers something else may well mean the receiver.
 */
export const proxyUnavailable = 'PROXY_UNAVAILABLE'

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
