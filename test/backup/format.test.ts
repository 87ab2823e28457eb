import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BackupReader, formatName } from '../../src/backup/format.ts'
import { StartupError } from '../../src/errors.ts'

async function* inPieces(text: string, bytes: number): AsyncGenerator<Buffer> {
  const all = Buffer.from(text)
  for (let at = 0; at < all.length; at += bytes) yield all.subarray(at, at + bytes)
}

async function textOf(rows: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of rows) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

const header = JSON.stringify({ format: formatName, formatVersion: 1, partitions: [] })
// What COPY writes for a backslash, a line break, and a row that is "\." and no more.
const rows = 'a\\\\.\tb\\nc\n\\\\.\n\\N\t.\n'
const backup = `${header}\n{"table":"one"}\n${rows}\\.\n{"table":"none"}\n\\.\n{"end":true}\n`

test('lines and rows are read as they were written, wherever the pieces are cut', async () => {
  for (let bytes = 1; bytes <= backup.length; bytes++) {
    const reader = new BackupReader(inPieces(backup, bytes))
    await reader.header()
    assert.deepEqual(await reader.line(), { table: 'one' })
    assert.equal(await textOf(reader.rows()), rows)
    assert.deepEqual(await reader.line(), { table: 'none' })
    assert.equal(await textOf(reader.rows()), '')
    assert.deepEqual(await reader.line(), { end: true })
  }
})

test('a backup that was cut short anywhere is refused', async () => {
  for (let length = 0; length < backup.length; length++) {
    const reader = new BackupReader(inPieces(backup.slice(0, length), 7))
    const all = async () => {
      await reader.header()
      await reader.line()
      await textOf(reader.rows())
      await reader.line()
      await textOf(reader.rows())
      await reader.line()
    }
    await assert.rejects(all, StartupError, `${length} bytes of it`)
  }
})

test('what is no backup, or is of a newer version, is said to be that', async () => {
  const read = (text: string) => new BackupReader(inPieces(text, 100)).header()
  await assert.rejects(read('hello\n'), /no backup of the webhook delivery service/)
  await assert.rejects(read('{"format":"other"}\n'), /no backup/)
  const newer = { format: formatName, formatVersion: 2, version: '9.0.0' }
  await assert.rejects(read(`${JSON.stringify(newer)}\n`), /version 9\.0\.0, which is newer/)
})
