import { randomBytes } from 'node:crypto'
import { open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { lockForTransaction } from '../platform/advisory-lock.ts'
import { makeFolder, syncFolder } from '../platform/files.ts'
import type { Database } from '../platform/postgres.ts'
import { newSecretText, secretTextOf } from './secret-text.ts'
import { hasAdminKey, hasKeys, insertKey, notifyKeys } from './store.ts'

export interface FirstKeyOptions {
  /** What an operator has chosen; made here unless given. */
  readonly given?: string | undefined
  /** Puts the key where its owner finds it, before it is valid. When it throws there is no key. */
  readonly keep?: (key: string) => Promise<void>
}

/**
 * Makes a key when there is none at all, and returns it; it can never be read again. Of any number of processes that
 * start together, one makes it.
 */
export async function ensureFirstKey(
  database: Database,
  { given, keep }: FirstKeyOptions = {},
): Promise<string | undefined> {
  const key = given === undefined ? newSecretText('whk') : secretTextOf(given)
  const made = await database.transaction(async tx => {
    await lockForTransaction(tx, 'firstKey')
    if (await hasKeys(tx)) return false
    // Kept first: cut off in between, the next start finds no key and makes another one.
    await keep?.(key.text)
    const { hash, prefix } = key
    const { id } = await insertKey(tx, {
      ...{ name: 'first key', hash, prefix, scope: 'admin', tenant: null, expiresAt: null },
    })
    await notifyKeys(tx, `key ${id}`)
    return true
  })
  return made ? key.text : undefined
}

/** Whether nobody can manage the service: no key that is valid now may do everything. */
export async function lacksAdminKey(database: Database): Promise<boolean> {
  return !(await hasAdminKey(database))
}

/** Where the first key is written. */
export function firstKeyFile(dataDir: string): string {
  return join(dataDir, 'first-api-key')
}

/** Writes the first key into a file that only its owner can read, in place of one that was there. */
export async function writeFirstKey(dataDir: string, key: string): Promise<void> {
  await makeFolder(dataDir, 0o700)
  const path = firstKeyFile(dataDir)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${key}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncFolder(dataDir)
}
