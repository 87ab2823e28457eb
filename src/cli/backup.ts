import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { type BackupReport, writeBackup } from '../backup/backup.ts'
import { type Config, readConfig } from '../config/config.ts'
import { StartupError } from '../errors.ts'
import { syncFolder } from '../platform/files.ts'
import { keyId, readKeyFile } from '../platform/seal.ts'
import { version } from '../version.ts'
import { readPathArguments } from './backup-arguments.ts'
import { type CommandIo, exitCode } from './command.ts'
import { withDatabase } from './with-database.ts'

const usage = `Usage: webhooks backup FILE|FOLDER|- [--without-keys]
  FILE             is made, readable by its owner only, when all is in it; it must not exist
  FOLDER           a file in it, with the time in its name
  -                standard output
  --without-keys   leaves out the encryption keys of DATA_DIR/encryption.key
The service may run meanwhile. Settings come from the environment: webhooks config docs`

/** `webhooks backup`: exit code 0 when the backup is complete. */
export async function runBackup(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readPathArguments(args, 'without-keys')
  if (given.kind === 'help') {
    io.out(usage)
    return exitCode.ok
  }
  if (given.kind === 'mistake') {
    io.err(`webhooks backup: ${given.sentence}\n\n${usage}`)
    return exitCode.usage
  }
  const config = readConfig(io.environment)
  const keys = given.flag ? undefined : await keysFor(config)
  const path = given.path === '-' ? '-' : await fileFor(given.path)
  if (path === '-' && process.stdout.isTTY)
    throw new StartupError('A backup is not for a terminal: send it to a file.')
  const write = (out: Writable) =>
    withDatabase(io, database => writeBackup({ database, version, keys: keys?.map(toText) }, out))
  const report = path === '-' ? await write(process.stdout) : await intoFile(path, write)
  // Not into what goes to standard output.
  const say = path === '-' ? io.err : io.out
  say(
    `Backed up ${report.rows} rows, as they were at ${report.takenAt}${path === '-' ? '' : `, to ${path}`}.`,
  )
  say(keyNotice(report, config, keys))
  return exitCode.ok
}

/** Keys of the environment are the operator's, who has them elsewhere. */
async function keysFor(config: Config): Promise<readonly Uint8Array[] | undefined> {
  return config.encryptionKeys === undefined ? readKeyFile(config.dataDir) : undefined
}

const toText = (key: Uint8Array) => Buffer.from(key).toString('base64')

function keyNotice(
  { keyIds }: BackupReport,
  config: Config,
  keys: readonly Uint8Array[] | undefined,
): string {
  if (keyIds.length === 0) return 'It has no secrets, and needs no encryption key.'
  if (keys !== undefined && keyIds.every(id => keys.some(key => keyId(key) === id))) {
    return 'The encryption key is in it: keep it as you keep secrets.'
  }
  const from = config.encryptionKeys === undefined ? 'DATA_DIR/encryption.key' : 'ENCRYPTION_KEYS'
  return `The encryption key ${keyIds.join(', ')} is NOT in it. Keep ${from} as well: a restore asks for it.`
}

async function fileFor(given: string): Promise<string> {
  const path = resolve(given)
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) {
    return join(path, `webhooks-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}Z.backup`)
  }
  if (found !== undefined) throw new StartupError(`${path} exists already. Nothing was overwritten.`)
  if (!(await stat(dirname(path)).catch(() => undefined))?.isDirectory()) {
    throw new StartupError(`There is no folder ${dirname(path)}.`)
  }
  return path
}

/** The file gets its name when it is complete and on the disk. */
async function intoFile<T>(path: string, write: (out: Writable) => Promise<T>): Promise<T> {
  const draft = `${path}.new-${randomBytes(6).toString('hex')}`
  try {
    const result = await write(createWriteStream(draft, { flags: 'wx', mode: 0o600 }))
    const file = await open(draft, 'r+')
    await file.sync().finally(() => file.close())
    await rename(draft, path)
    await syncFolder(dirname(path))
    return result
  } finally {
    await rm(draft, { force: true })
  }
}
