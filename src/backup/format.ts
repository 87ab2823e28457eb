import { StartupError } from '../errors.ts'
import type { PartitionOf } from '../log/partitions.ts'

// A backup is one file: gzip of text. Its first line says what it is. Then, for each table, a line that names the table and
// its columns, the rows as COPY writes them, and a line "\.". The last line says how many rows there were: where it is
// missing, the file was cut short. So zcat shows all of it, and rows can be loaded by hand with psql.

/** What a table of a backup is: a line before its rows. */
export interface TableLine {
  readonly table: string
  readonly columns: readonly string[]
}

/** The next number of an identity column. */
export interface SequenceLine {
  readonly table: string
  readonly column: string
  readonly next: number
}

/** The first line of a backup. */
export interface BackupHeader {
  readonly format: typeof formatName
  readonly formatVersion: typeof formatVersion
  /** Of the program that wrote it. */
  readonly version: string
  /** When the state in it was the state of the database (ISO 8601, by the clock of the database). */
  readonly takenAt: string
  /** The migrations that had run, with their checksums. */
  readonly migrations: readonly { readonly name: string; readonly checksum: string }[]
  readonly partitions: readonly PartitionOf[]
  readonly sequences: readonly SequenceLine[]
  /** Ids of the encryption keys that its secrets are sealed with. */
  readonly keyIds: readonly string[]
  /** These keys, as base64, newest first; undefined: whoever restores it needs them from elsewhere. */
  readonly keys?: readonly string[] | undefined
}

/** The last line of a backup. */
export interface BackupEnd {
  readonly end: true
  readonly rows: number
}

export const formatName = 'webhooks-backup'
export const formatVersion = 1

/** Ends the rows of a table. In rows, COPY writes a backslash as two. */
export const endOfRows = '\\.\n'

const headerBytesMax = 64 * 1024 * 1024
const notBackup = 'This is no backup of the webhook delivery service.'

/** Reads a backup piece by piece, in its order: a line, or the rows of a table. */
export class BackupReader {
  readonly #source: AsyncIterator<Buffer>
  #pending: Buffer = Buffer.alloc(0)

  /** @param source the text, unpacked */
  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The first line. @throws StartupError when this is no backup, or one that a newer version has written */
  async header(): Promise<BackupHeader> {
    const line = await this.line().catch(cause => {
      throw new StartupError(notBackup, { cause })
    })
    const header = line as Partial<BackupHeader> // checked here
    if (header.format !== formatName) throw new StartupError(notBackup)
    if (header.formatVersion !== formatVersion) {
      throw new StartupError(
        `This backup was written by version ${header.version}, which is newer: restore it with that.`,
      )
    }
    return header as BackupHeader // what this version writes
  }

  /** A line that is JSON. @throws StartupError when there is none */
  async line(): Promise<object> {
    for (;;) {
      const end = this.#pending.indexOf(10)
      if (end >= 0) {
        const line = parsed(this.#take(end + 1).toString('utf8'))
        if (typeof line === 'object' && line !== null) return line
        throw damaged('a line of it is none that a backup has')
      }
      if (this.#pending.length > headerBytesMax || !(await this.#fill())) throw cutShort()
    }
  }

  /** The rows of the table whose line was just read, as pieces of text for COPY. */
  async *rows(): AsyncGenerator<Buffer> {
    const mark = Buffer.from(`\n${endOfRows}`)
    while (this.#pending.length < endOfRows.length) if (!(await this.#fill())) throw cutShort()
    if (this.#pending.subarray(0, endOfRows.length).equals(Buffer.from(endOfRows))) {
      this.#take(endOfRows.length)
      return
    }
    for (;;) {
      const end = this.#pending.indexOf(mark)
      if (end >= 0) {
        yield this.#take(end + 1)
        this.#take(endOfRows.length)
        return
      }
      // The mark may have begun in what there is.
      const sure = this.#pending.length - mark.length
      if (sure > 0) yield this.#take(sure)
      if (!(await this.#fill())) throw cutShort()
    }
  }

  /**
   * Reads what follows the last line, which is nothing: only then was all of it compared with the checksum at its end.
   *
   * @throws StartupError when there is more, or the checksum is another
   */
  async end(): Promise<void> {
    while (this.#pending.length === 0) if (!(await this.#fill())) return
    throw damaged('something follows its end')
  }

  #take(bytes: number): Buffer {
    const taken = this.#pending.subarray(0, bytes)
    this.#pending = this.#pending.subarray(bytes)
    return taken
  }

  async #fill(): Promise<boolean> {
    const { value, done } = await this.#source.next().catch(unpackError)
    if (done) return false
    this.#pending = this.#pending.length === 0 ? value : Buffer.concat([this.#pending, value])
    return true
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function cutShort(): StartupError {
  return new StartupError('This backup was cut short: its end is missing. Nothing was restored.')
}

/** @param how such as `a row is missing` */
export function damaged(how: string): StartupError {
  return new StartupError(`This backup is damaged: ${how}. Nothing was restored.`)
}

/** What gunzip says of a file that is not as it was written. */
function unpackError(error: Error & { readonly code?: string }): never {
  if (error.code === 'Z_BUF_ERROR') throw cutShort()
  if (error.code === 'Z_DATA_ERROR') throw damaged(`it cannot be unpacked (${error.message})`)
  throw error
}
