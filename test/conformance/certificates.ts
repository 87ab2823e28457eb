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

/** What a TLS server shows and signs with, in PEM. */
export interface ServerCertificate {
  readonly cert: string
  readonly key: string
}

/** Certificates for 127.0.0.1, each with at most one thing wrong with it. */
export interface Certificates {
  /** The authority that a service is told to trust (NODE_EXTRA_CA_CERTS), in PEM. */
  readonly authority: string
  readonly good: ServerCertificate
  readonly expired: ServerCertificate
  readonly wrongHost: ServerCertificate
  readonly selfSigned: ServerCertificate
  /** By an authority that nobody trusts. */
  readonly unknownAuthority: ServerCertificate
}

interface Authority {
  readonly certificate: X509Certificate
  readonly keys: webcrypto.CryptoKeyPair
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const
const dayMs = 86_400_000

/** Made anew for each run: nothing in the repository expires. */
export async function makeCertificates(): Promise<Certificates> {
  const trusted = await makeAuthority('Trusted test authority')
  const unknown = await makeAuthority('Unknown test authority')
  const here = '127.0.0.1'
  return {
    authority: trusted.certificate.toString('pem'),
    good: await issue(trusted, here, dayMs),
    expired: await issue(trusted, here, -dayMs),
    wrongHost: await issue(trusted, '127.0.0.2', dayMs),
    selfSigned: await issue(undefined, here, dayMs),
    unknownAuthority: await issue(unknown, here, dayMs),
  }
}

async function makeAuthority(name: string): Promise<Authority> {
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

/** @param by undefined: itself @param endsInMs negative: it has ended already */
async function issue(
  by: Authority | undefined,
  address: string,
  endsInMs: number,
): Promise<ServerCertificate> {
  const keys = await newKeys()
  const subject = 'CN=receiver'
  const certificate = await X509CertificateGenerator.create({
    subject,
    issuer: by?.certificate.subject ?? subject,
    serialNumber: serial(),
    notBefore: new Date(Date.now() - 2 * dayMs),
    notAfter: new Date(Date.now() + endsInMs),
    publicKey: keys.publicKey,
    signingKey: (by?.keys ?? keys).privateKey,
    signingAlgorithm: algorithm,
    extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: address }])],
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
