import { answer, http, sayAndClose } from './answers.ts'
import { type CertificateName, delivered, type Finding, failed, type Row } from './row.ts'

// Receivers that are never reached, or not safely.

function tlsRow(
  behaviour: string,
  certificate: CertificateName,
  expected: Finding,
  more: Partial<Row> = {},
): Row {
  const target = { kind: 'tls', certificate } as const
  const requests = expected.status === 'success' ? 1 : 0
  return { group: 'TLS', behaviour, target, expected, by: 'trusting', requests, ...more }
}

export const tlsRows: readonly Row[] = [
  tlsRow('certificate of an authority in NODE_EXTRA_CA_CERTS', 'good', delivered(200)),
  tlsRow('the same certificate, without that setting', 'good', failed('tls'), { by: 'usual' }),
  tlsRow('self-signed certificate', 'selfSigned', failed('tls')),
  tlsRow('certificate of an unknown authority', 'unknownAuthority', failed('tls')),
  tlsRow('expired certificate', 'expired', failed('tls')),
  tlsRow('certificate for another host', 'wrongHost', failed('tls')),
  tlsRow('TLS 1.2 only', 'good', delivered(200), {
    target: { kind: 'tls', certificate: 'good', options: { maxVersion: 'TLSv1.2' } },
  }),
  tlsRow('TLS 1.1 only', 'good', failed('tls'), {
    target: {
      kind: 'tls',
      certificate: 'good',
      // OpenSSL offers it at its lowest level of security only.
      options: { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' },
    },
  }),
  {
    group: 'TLS',
    behaviour: 'plain HTTP on the port of an https address',
    target: { kind: 'tcp', answer: sayAndClose(http(400)), scheme: 'https' },
    expected: failed('tls'),
    requests: 0,
  },
]

export const nowhereRows: readonly Row[] = [
  {
    group: 'Nobody there',
    behaviour: 'connection refused',
    target: { kind: 'closed port' },
    expected: failed('connect'),
  },
  {
    group: 'Nobody there',
    behaviour: 'unknown host',
    target: { kind: 'url', url: 'http://no-such-host.invalid/' },
    expected: failed('dns'),
  },
  {
    group: 'Nobody there',
    behaviour: 'private address, with ALLOW_PRIVATE_TARGETS=false',
    target: { kind: 'tcp', answer: answer(200) },
    expected: failed('blocked'),
    by: 'guarded',
    requests: 0,
    check: ({ error }) => (error?.includes('127.') ? 'the error names the address' : undefined),
    why: 'no packet goes out, and the owner is not told the address',
  },
]
