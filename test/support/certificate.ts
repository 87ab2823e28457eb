// The library keeps its parts in a container that reads their types by this; it has to be there first.
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

/** What a TLS server shows and signs with, both as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** What issues certificates; `certificate` is what is to be trusted. */
export interface Authority {
  readonly certificate: X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

/** Whom a certificate is for, and until when. */
export interface Subject {
  readonly type: 'dns' | 'ip'
  readonly name: string
  /** Milliseconds from now; negative: it has ended already. A day unless given. */
  readonly endsInMs?: number
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
export const dayMs = 86_400_000

/** Makes one that signs itself, for a host name; trusted by whom has `cert` as `ca`. */
export function makeCertificate(name: string): Promise<Certificate> {
  return issue(undefined, { type: 'dns', name })
}

export async function makeAuthority(name: string): Promise<Authority> {
  const keys = await newKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=${name}`,
    serialNumber: serial(),
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 1, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })
  return { certificate, keys }
}

/** @param by undefined: itself */
export async function issue(by: Authority | undefined, subject: Subject): Promise<Certificate> {
  const { type, name, endsInMs = dayMs } = subject
  const keys = await newKeys()
  const receiver = 'CN=receiver'
  const certificate = await X509CertificateGenerator.create({
    subject: receiver,
    issuer: by?.certificate.subject ?? receiver,
    serialNumber: serial(),
    notBefore: new Date(Date.now() - 2 * dayMs),
    notAfter: new Date(Date.now() + endsInMs),
    publicKey: keys.publicKey,
    signingKey: (by?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type, value: name }])],
  })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return {
    cert: certificate.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${key.replace(/.{64}/g, '$&\n')}\n-----END PRIVATE KEY-----\n`,
  }
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

function serial(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(8))).toString('hex')}`
}
