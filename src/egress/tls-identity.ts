import { createSecureContext, type SecureContext } from 'node:tls'

/** What a connection shows of us and trusts, where a receiver wants more than the usual. All of it is PEM. */
export interface TlsIdentity {
  /** Differs where any of the rest does. */
  readonly id: string
  /** The client certificate, with those between it and its authority, and its private key; null: none is shown. */
  readonly certificate: string | null
  readonly key: string | null
  /** The only authorities that are trusted; null: the usual ones. */
  readonly ca: string | null
}

/**
 * Parsed once, since a connection would take milliseconds for it each time.
 *
 * @param usualCa certificates to trust where the identity does not say it; undefined: those of the system
 * @throws Error for what OpenSSL does not take, such as a key that is too short
 */
export function secureContextOf(
  { certificate, key, ca }: Omit<TlsIdentity, 'id'>,
  usualCa?: string,
): SecureContext {
  const trusted = ca ?? usualCa
  return createSecureContext({
    minVersion: 'TLSv1.2', // as `tlsOptions` has it, which a context of its own replaces
    ...(certificate !== null && { cert: certificate }),
    ...(key !== null && { key }),
    ...(trusted !== undefined && { ca: trusted }),
  })
}
