import { execFileSync } from 'node:child_process'

/** A certificate that signs itself, and its key, both as PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** Makes one that is good for a day, with openssl. @returns undefined where there is no openssl */
export function makeCertificate(name: string): Certificate | undefined {
  const options = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -keyout - -out -'
  try {
    const pem = execFileSync(
      'openssl',
      [...options.split(' '), '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
      { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    )
    const [cert = ''] = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/.exec(pem) ?? []
    const [key = ''] =
      /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]+?-----END [A-Z ]*PRIVATE KEY-----/.exec(pem) ?? []
    return { cert, key }
  } catch {
    return undefined
  }
}
