import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { link, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { StartupError } from '../errors.ts'
import { makeFolder, readIfThere, syncFolder } from './files.ts'
import { lockFact, shareFact, writeFact } from './installation-store.ts'
import type { Database, Queryable } from './postgres.ts'

/** Encrypts what is stored. `context` names the place of a value, which can be opened with the same context only. */
export interface Sealer {
  /** @returns `v1:<key id>:<base64url of nonce, ciphertext and tag>`; a different text at every call */
  seal(plaintext: string, context: string): string
  /** @throws Error that names the missing key id, or says that the text or its context was changed */
  open(sealed: string, context: string): string
  /** The ids of the keys of this process; the first one seals, all of them open. */
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

/**
 * The ids of the keys with which values in a text were sealed. Every subscription is asked at a start: the pattern is tried
 * only where it can begin (0.4 µs for the text of one; a search by the pattern took 1.5).
 */
export function sealedWith(text: string): readonly string[] {
  const ids: string[] = []
  for (let at = text.indexOf('v1:'); at >= 0; at = text.indexOf('v1:', at + 1)) {
    sealedHere.lastIndex = at
    const id = sealedHere.exec(text)?.[1]
    if (id !== undefined) ids.push(id)
  }
  return ids
}

const sealedHere = /\bv1:([0-9a-f]{8}):/y

/** The name of a key: the first 8 hex digits of its SHA-256, which do not help to find the key. */
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

/**
 * The key ring of this process, newest first: ENCRYPTION_KEYS when it is set, else the file `encryption.key` in the
 * data folder. The file is made at the first start and readable by its owner only. Processes that start at the same
 * moment end up with the same key.
 *
 * @throws StartupError when the file cannot be read or made, or holds something other than keys
 */
export async function loadEncryptionKeys(source: {
  readonly fromConfig: readonly Uint8Array[] | undefined
  readonly dataDir: string
}): Promise<readonly Uint8Array[]> {
  if (source.fromConfig !== undefined) return source.fromConfig
  const path = keyFileIn(source.dataDir)
  try {
    const text = (await readIfThere(path)) ?? (await createKeyFile(source.dataDir, path))
    return parseKeyFile(text, path)
  } catch (cause) {
    if (cause instanceof StartupError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new StartupError(
      `The encryption key cannot be kept in DATA_DIR: ${reason}. Make the folder writable, or set ENCRYPTION_KEYS.`,
      { cause },
    )
  }
}

/** The keys of the key file, newest first; undefined: there is no such file. */
export async function readKeyFile(dataDir: string): Promise<readonly Uint8Array[] | undefined> {
  const path = keyFileIn(dataDir)
  const text = await readIfThere(path)
  return text === undefined ? undefined : parseKeyFile(text, path)
}

/** Puts keys before those of the key file, which stay in it; makes the file when there is none. */
export async function putIntoKeyFile(dataDir: string, keys: readonly Uint8Array[]): Promise<void> {
  const present = (await readKeyFile(dataDir)) ?? []
  const ids = new Set(keys.map(keyId))
  const all = [...keys, ...present.filter(key => !ids.has(keyId(key)))]
  await makeFolder(dataDir, 0o700)
  const path = keyFileIn(dataDir)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  await writeKeys(draft, all)
  await rename(draft, path)
  await syncFolder(dataDir)
}

const keyFileIn = (dataDir: string) => join(dataDir, 'encryption.key')

async function writeKeys(path: string, keys: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(keys.map(key => `${Buffer.from(key).toString('base64')}\n`).join(''))
    await file.sync()
  } finally {
    await file.close()
  }
}

/**
 * The sealer of a process with these settings, checked against the database.
 *
 * @throws StartupError when the keys cannot be read, or one that the database needs is missing
 */
export async function openSealer(
  database: Database,
  settings: { readonly encryptionKeys: readonly Uint8Array[] | undefined; readonly dataDir: string },
): Promise<Sealer> {
  const { encryptionKeys, dataDir } = settings
  const sealer = createSealer(await loadEncryptionKeys({ fromConfig: encryptionKeys, dataDir }))
  await agreeOnKey(database, sealer)
  return sealer
}

/**
 * Checks the key ring against the database, which remembers the ids of all keys that sealed something in it. Without one
 * of them some secrets could not be opened. Then the database remembers the key that seals from now on.
 *
 * @throws StartupError that names the missing keys and says how to restore them
 */
export async function agreeOnKey(database: Database, sealer: Sealer): Promise<void> {
  const [sealingId] = sealer.keyIds
  await database.transaction(async tx => {
    const remembered = keyIdsOf(await lockFact(tx, 'encryption_key', []))
    const missing = remembered.filter(id => !sealer.keyIds.includes(id))
    if (missing.length > 0) throw new StartupError(missingKeys(missing, sealer.keyIds))
    if (sealingId !== undefined && !remembered.includes(sealingId)) {
      await writeFact(tx, 'encryption_key', [sealingId, ...remembered])
    }
  })
}

/**
 * To be called in the transaction that writes sealed values: checks that the database remembers their key, and locks
 * that fact. `retireOlderKeys` waits for the end of the transaction, so it finds what was sealed in it.
 *
 * @throws Error when the key of this process was retired meanwhile
 */
export async function checkSealingKey(tx: Queryable, sealer: Sealer): Promise<void> {
  const [sealingId = ''] = sealer.keyIds
  const remembered = await shareFact(tx, 'encryption_key')
  if (remembered === undefined || keyIdsOf(remembered).includes(sealingId)) return
  throw new Error(
    `this process seals with the key ${sealingId}, which was retired. Restart it with the newest key first in ENCRYPTION_KEYS`,
  )
}

/**
 * Makes the database forget all keys but the newest. First `sealRest` seals again what an older key had sealed; while it
 * runs, no process can write sealed values.
 *
 * @param sealRest says whether everything is sealed with the newest key now; if not, no key is forgotten
 */
export async function retireOlderKeys(
  database: Database,
  sealer: Sealer,
  sealRest: (tx: Queryable) => Promise<boolean>,
): Promise<void> {
  const [sealingId] = sealer.keyIds
  await database.transaction(async tx => {
    await lockFact(tx, 'encryption_key', [])
    if (await sealRest(tx)) await writeFact(tx, 'encryption_key', [sealingId])
  })
}

function keyIdsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(String) : []
}

function missingKeys(missing: readonly string[], present: readonly string[]): string {
  return (
    `Secrets in this database are sealed with the encryption key ${missing.join(', ')}, which this process does not ` +
    `have (it has ${present.join(', ')}). Set ENCRYPTION_KEYS to the same keys on every machine, older ones after ` +
    'the newest, or bring the file encryption.key back into DATA_DIR.'
  )
}

/** Written to a draft, then linked: the file appears with all its bytes, and the first process wins. */
async function createKeyFile(dataDir: string, path: string): Promise<string> {
  await makeFolder(dataDir, 0o700)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await writeKeys(draft, [randomBytes(keyBytes)])
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    })
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(dataDir)
  return readFile(path, 'utf8')
}

function parseKeyFile(text: string, path: string): readonly Uint8Array[] {
  const words = text.split(/[\s,]+/).filter(word => word !== '')
  const keys = words.flatMap(word => parseEncryptionKey(word) ?? [])
  if (keys.length === 0 || keys.length !== words.length) {
    throw new StartupError(
      `${path} must hold encryption keys, one a line, newest first, each 32 bytes as base64 or 64 hex digits. ` +
        'Bring the right file back; a new one would not open what the old one sealed.',
    )
  }
  return keys
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
