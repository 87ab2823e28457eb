import type { KeyForm, Piece, Place, TimestampRule, Verification } from '../preset.ts'

// Ways to sign that several providers share.

/** The seconds in a header, five minutes from now at the most. */
export const seconds = (header: string, toleranceSeconds: number | null = 300): TimestampRule => ({
  at: { at: { header } },
  unit: 's',
  toleranceSeconds,
})

/** An HMAC in a header, which has nothing else in it but a prefix. */
export const hmacIn = (
  header: string,
  encoding: 'hex' | 'base64',
  signed: readonly Piece[],
  more: {
    readonly hash?: 'sha1' | 'sha512'
    readonly key?: KeyForm
    readonly prefix?: string
    readonly split?: string
    readonly timestamp?: TimestampRule
    readonly id?: Place
    readonly bodyHash?: Place
  } = {},
): Verification => {
  const { hash = 'sha256', key = 'utf8', prefix, split, ...rest } = more
  const signature = {
    at: { header },
    ...(split !== undefined && { split }),
    ...(prefix !== undefined && { prefix }),
  }
  return { kind: 'hmac', hash, key, signature, encoding, signed, ...rest }
}

/** The HMAC-SHA256 of the body in a header. */
export const bodyHmac = (header: string, encoding: 'hex' | 'base64', prefix?: string): Verification =>
  hmacIn(header, encoding, ['body'], { ...(prefix !== undefined && { prefix }) })

/** Signatures at several places, of which one that is right will do. */
export const oneOf = (of: readonly Verification[]): Verification => ({ kind: 'any', of })

const standardParts = (name: string, prefix: 'v1,' | 'v1a,') =>
  ({
    signature: { at: { header: `${name}-signature` }, split: ' ', prefix },
    encoding: 'base64',
    signed: ['id', { text: '.' }, 'timestamp', { text: '.' }, 'body'],
    timestamp: seconds(`${name}-timestamp`),
    id: { header: `${name}-id` },
  }) as const

/** Standard Webhooks with a shared secret. */
export const standardHmac = (name: string): Verification => ({
  ...{ kind: 'hmac', hash: 'sha256', key: 'whsec' },
  ...standardParts(name, 'v1,'),
})

/** Standard Webhooks with a secret or a key pair; its headers have other names at Svix. */
export const standard = (name: string): Verification =>
  oneOf([
    standardHmac(name),
    { kind: 'public key', algorithm: 'ed25519', key: 'whpk', ...standardParts(name, 'v1a,') },
  ])

/** `t=<seconds>,v1=<hex>` over `<seconds>.<body>`. */
export const stripeLike = (header: string): Verification =>
  hmacIn(header, 'hex', ['timestamp', { text: '.' }, 'body'], {
    split: ',',
    prefix: 'v1=',
    timestamp: { at: { at: { header }, split: ',', prefix: 't=' }, unit: 's', toleranceSeconds: 300 },
  })

/** `v0=<hex>` over `v0:<seconds>:<body>`, as Slack and Zoom do. */
export const v0 = (signature: string, timestamp: string): Verification =>
  hmacIn(signature, 'hex', [{ text: 'v0:' }, 'timestamp', { text: ':' }, 'body'], {
    prefix: 'v0=',
    timestamp: seconds(timestamp),
  })

/** The secret itself as `Authorization: Bearer`. */
export const bearer: Verification = {
  kind: 'token',
  token: { at: { header: 'authorization' }, prefix: 'Bearer ' },
}

/** What is asked for where the provider shows a secret, or takes yours. */
export const sharedSecret = 'The secret that the provider shows, or that you gave it'
