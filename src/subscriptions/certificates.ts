import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { secureContextOf } from '../egress/tls-identity.ts'

/** Certificates in one text of PEM, the first of them that of the client. */
export type ParsedCertificates =
  | { readonly kind: 'certificates'; readonly first: X509Certificate; readonly endsAt: number }
  | { readonly kind: 'invalid'; readonly detail: string }

const countMax = 20
const blocks = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

/** Reads certificates. `endsAt` (Unix milliseconds) is when the first of them ends. */
export function parseCertificates(pem: string): ParsedCertificates {
  const found = pem.match(blocks) ?? []
  if (found.length === 0 || found.length > countMax)
    return invalid(`Give 1 to ${countMax} certificates as PEM.`)
  try {
    const certificates = found.map(block => new X509Certificate(block))
    const [first] = certificates
    if (first === undefined) return invalid('Give a certificate as PEM.')
    const endsAt = Math.min(...certificates.map(({ validToDate }) => validToDate.getTime()))
    return { kind: 'certificates', first, endsAt }
  } catch {
    return invalid('It holds a certificate that cannot be read. Give PEM as the authority has issued it.')
  }
}

function invalid(detail: string): ParsedCertificates {
  return { kind: 'invalid', detail }
}

/** Why a text is no private key in PEM. */
export function privateKeyFault(pem: string): string | undefined {
  return readKey(pem) === undefined
    ? 'Give a private key as PEM that is not protected by a passphrase.'
    : undefined
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem)
  } catch {
    return undefined // what is wrong with it may be told in words that repeat it
  }
}

/** Why a certificate and a private key, both read before, cannot be used together. */
export function identityFault(certificate: string, key: string, ca: string | null): string | undefined {
  const parsed = parseCertificates(certificate)
  const privateKey = readKey(key)
  if (parsed.kind === 'invalid' || privateKey === undefined) return 'Give a certificate and its private key.'
  if (!parsed.first.checkPrivateKey(privateKey))
    return 'This private key is not that of the certificate. The certificate of the client comes first.'
  try {
    secureContextOf({ certificate, key, ca })
    return undefined
  } catch {
    return 'OpenSSL does not take this certificate and key, such as for a key that is too short.'
  }
}
