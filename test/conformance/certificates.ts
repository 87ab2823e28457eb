import { type Certificate, dayMs, issue, makeAuthority } from '../support/certificate.ts'

/** Certificates for 127.0.0.1, each with at most one thing wrong with it. */
export interface Certificates {
  /** The authority that a service is told to trust (NODE_EXTRA_CA_CERTS), in PEM. */
  readonly authority: string
  readonly good: Certificate
  readonly expired: Certificate
  readonly wrongHost: Certificate
  readonly selfSigned: Certificate
  /** By an authority that nobody trusts. */
  readonly unknownAuthority: Certificate
}

/** Made anew for each run: nothing in the repository expires. */
export async function makeCertificates(): Promise<Certificates> {
  const trusted = await makeAuthority('Trusted test authority')
  const unknown = await makeAuthority('Unknown test authority')
  const here = { type: 'ip', name: '127.0.0.1' } as const
  return {
    authority: trusted.certificate.toString('pem'),
    good: await issue(trusted, here),
    expired: await issue(trusted, { ...here, endsInMs: -dayMs }),
    wrongHost: await issue(trusted, { ...here, name: '127.0.0.2' }),
    selfSigned: await issue(undefined, here),
    unknownAuthority: await issue(unknown, here),
  }
}
