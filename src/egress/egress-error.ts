import type { ErrorClass } from '../model/outcome.ts'

/** What an owner is told whose address is not allowed; never which address it was that the name led to. */
export const addressNotAllowed = 'the address of this host is not allowed'

/** The same where an address is given, and what to do about it. */
export const giveAnotherAddress = `${addressNotAllowed}; give a public one, or ask the operator, who can allow private ones (ALLOWED_TARGET_CIDRS)`

/**
 * The proxy of this service cannot be reached, or does not know us. It says nothing of any receiver, so that no attempt
 * is spent on it; a proxy that answers something else may well mean the receiver.
 */
export const proxyUnavailable = 'PROXY_UNAVAILABLE'

/** Why a connection was not made: the rules, the name, or the proxy. Its message is shown to owners, and names no address. */
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
