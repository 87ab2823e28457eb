import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

/** Encrypts what must not lie in the database in the clear. `context` says where a value belongs, and binds it there. */
export interface Sealer {
  /** @returns `v1:<key id>:<base64url of nonce, ciphertext and tag>`; another text at every call */
  seal(plaintext: string, context: string): string
  /** @throws Error that names the key id which is missing, or says that the text or its context was changed */
  open(sealed: string, context: string): string
  /** The ids of the keys at hand; the first one seals, any of them opens. */
  readonly keyIds: readonly string[]
}

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16

/**
 * AES-256-GCM with a random 96-bit nonce per value. The context is authenticated, not stored: a sealed value that is
 * moved to another row or column does not open there.
 *
 * @param keys 32 bytes each, newest first, at least one
 */
export function createSealer(keys: readonly Uint8Array[]): Sealer {
  const ring = new Map(keys.map(key => [keyId(key), Buffer.from(key)]))
  const [newest] = ring
  if (newest === undefined) throw new Error('a sealer needs at least one key')
  const [sealingId, sealingKey] = newest
  return {
    keyIds: [...ring.keys()],
    seal(plaintext, context) {
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', sealingKey, nonce, { authTagLength: tagBytes })
      cipher.setAAD(Buffer.from(context, 'utf8'))
      const sealed = Buffer.concat([
        nonce,
        cipher.update(plaintext, 'utf8'),
        cipher.final(),
        cipher.getAuthTag(),
      ])
      return `v1:${sealingId}:${sealed.toString('base64url')}`
    },
    open(sealed, context) {
      const { id, bytes } = parseEnvelope(sealed)
      const key = ring.get(id)
      if (key === undefined) {
        throw new Error(
          `sealed with the key ${id}, which is not among ENCRYPTION_KEYS (${[...ring.keys()].join(', ')})`,
        )
      }
      return decrypt(key, bytes, context)
    },
  }
}

/** The name of a key: the first 8 hex digits of its SHA-256. Says nothing useful about the key. */
export function keyId(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 8)
}

/** The 32 bytes behind a key written as 64 hex digits or as base64 (base64url too), or undefined. */
export function parseEncryptionKey(text: string): Uint8Array | undefined {
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return undefined
  const key = Buffer.from(text, 'base64')
  return key.length === keyBytes ? key : undefined
}

function parseEnvelope(sealed: string): { readonly id: string; readonly bytes: Buffer } {
  const match = /^v1:([0-9a-f]{8}):([A-Za-z0-9_-]+)$/.exec(sealed)
  const [, id, body] = match ?? []
  if (id === undefined || body === undefined) throw new Error('not a sealed value of version v1')
  const bytes = Buffer.from(body, 'base64url')
  if (bytes.length < nonceBytes + tagBytes) throw new Error('a sealed value that was cut short')
  return { id, bytes }
}

function decrypt(key: Buffer, bytes: Buffer, context: string): string {
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(Buffer.from(context, 'utf8'))
  decipher.setAuthTag(bytes.subarray(-tagBytes))
  try {
    const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
    return Buffer.concat([text, decipher.final()]).toString('utf8')
  } catch (cause) {
    throw new Error('a sealed value was changed, or moved from where it belongs', { cause })
  }
}
