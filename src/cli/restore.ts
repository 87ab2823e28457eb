import { createReadStream } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { recordChange } from '../audit/audit.ts'
import { type BackupHeader, BackupReader } from '../backup/format.ts'
import { restoreBackup } from '../backup/restore.ts'
import { type Config, readConfig } from '../config/config.ts'
import { StartupError } from '../errors.ts'
import { commandLine } from '../model/caller.ts'
import { keyId, parseEncryptionKey, putIntoKeyFile, readKeyFile } from '../platform/seal.ts'
import { readPathArguments } from './backup-arguments.ts'
import { type CommandIo, exitCode } from './command.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

const usage = `Usage: webhooks restore FILE|FOLDER|- [--force]
  FILE      what webhooks backup has made
  FOLDER    the newest backup in it
  -         standard input
  --force   replaces what the database holds; without it only an empty one is taken
The service must not run on that database. Settings come from the environment: webhooks config docs`

/** `webhooks restore`: exit code 0 when all is restored; else the database is as it was. */
export async function runRestore(args: readonly string[], io: CommandIo): Promise<number> {
  const given = readPathArguments(args, 'force')
  if (given.kind === 'help') {
    io.out(usage)
    return exitCode.ok
  }
  if (given.kind === 'mistake') {
    io.err(`webhooks restore: ${given.sentence}\n\n${usage}`)
    return exitCode.usage
  }
  const config = readConfig(io.environment)
  const path = given.path === '-' ? '-' : await fileOf(given.path)
  const packed: Readable = path === '-' ? process.stdin : createReadStream(path)
  const text = createGunzip()
  packed.on('error', error => text.destroy(error)).pipe(text)
  const reader = new BackupReader(text)
  const header = await reader.header()
  const keys = await missingKeys(config, header)
  const rows = await withDatabase(io, async database => {
    const restored = await restoreBackup({
      database,
      reader,
      header,
      force: given.flag,
      beforeCommit: async () => {
        if (keys.length > 0) await putIntoKeyFile(config.dataDir, keys)
      },
    })
    // After it: the backup may be older than the audit log, which its migrations make then.
    await prepareForChanges(database, config)
    await recordChange(database, commandLine, {
      action: 'backup.restored',
      subjectId: header.takenAt,
      tenant: null,
      changes: [{ field: 'rows', before: null, after: restored }],
    })
    return restored
  })
  io.out(
    `Restored ${rows} rows from ${path === '-' ? 'standard input' : path}, as they were at ${header.takenAt}.` +
      (keys.length > 0 ? '\nThe encryption key of the backup is in DATA_DIR/encryption.key now.' : '') +
      '\nStart the service: it goes on with what was owed then. What was delivered after that time is delivered again, ' +
      'with the same webhook-id.',
  )
  return exitCode.ok
}

/** @returns the keys of the backup that are to be put into the key file */
async function missingKeys(config: Config, header: BackupHeader): Promise<readonly Uint8Array[]> {
  const { keyIds, keys = [] } = header
  const present = config.encryptionKeys ?? (await readKeyFile(config.dataDir)) ?? []
  const missing = (ring: readonly Uint8Array[]) => keyIds.filter(id => !ring.some(key => keyId(key) === id))
  if (missing(present).length === 0) return []
  const inside = keys.flatMap(text => parseEncryptionKey(text) ?? [])
  if (config.encryptionKeys === undefined && missing([...present, ...inside]).length === 0) return inside
  throw new StartupError(
    `The secrets in this backup are sealed with the encryption key ${missing(present).join(', ')}, which ` +
      (config.encryptionKeys === undefined
        ? 'is not in the backup. Set ENCRYPTION_KEYS to the keys of the service that was backed up, or bring its file ' +
          'encryption.key into DATA_DIR.'
        : 'ENCRYPTION_KEYS does not have. Add the key of the service that was backed up' +
          (keys.length === 0 ? '.' : ', or unset ENCRYPTION_KEYS: the backup brings its keys.')) +
      ' Nothing was changed.',
  )
}

async function fileOf(given: string): Promise<string> {
  const path = resolve(given)
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) throw new StartupError(`There is no ${path}.`)
  if (!found.isDirectory()) return path
  const newest = (await readdir(path))
    .filter(name => /^webhooks-.*\.backup$/.test(name))
    .sort()
    .at(-1)
  if (newest === undefined)
    throw new StartupError(`There is no backup in ${path} (a file webhooks-….backup).`)
  return join(path, newest)
}
