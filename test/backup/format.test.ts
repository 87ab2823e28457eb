import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { createGunzip, gzipSync } from 'node:zlib'
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

test('a packed backup that was cut, changed or continued is refused, and its checksum is compared', async () => {
  // Large enough that its beginning is read before its end is unpacked.
  const many = Array.from({ length: 20_000 }, (_, n) => `${n}\t${(n * 7919) % 10_007}\n`).join('')
  const packed = gzipSync(`${header}\n{"table":"one"}\n${many}\\.\n{"end":true}\n`)
  const read = async (bytes: Buffer) => {
    const reader = new BackupReader(Readable.from([bytes]).pipe(createGunzip()))
    await reader.header()
    await reader.line()
    const text = await textOf(reader.rows())
    await reader.line()
    await reader.end()
    return text
  }
  assert.equal(await read(packed), many)
  const cut = packed.subarray(0, -9)
  await assert.rejects(read(cut), /^StartupError: This backup was cut short: .* Nothing was restored\.$/)
  const continued = [Buffer.concat([packed, Buffer.from('more')]), Buffer.concat([packed, gzipSync('more')])]
  for (const bytes of continued) await assert.rejects(read(bytes), /This backup is damaged: .* Nothing was/)
  const middle = Math.floor(packed.length / 2)
  for (const at of [middle, ...Array.from({ length: 8 }, (_, n) => packed.length - 8 + n)]) {
    const changed = Buffer.from(packed)
    changed[at] = (changed[at] ?? 0) ^ 1
    await assert.rejects(read(changed), /This backup is damaged: it cannot be unpacked/, `byte ${at}`)
  }
})

test('what is no backup, or is of a newer version, is said to be that', async () => {
  const read = (text: string) => new BackupReader(inPieces(text, 100)).header()
  await assert.rejects(read('hello\n'), /no backup of the webhook delivery service/)
  await assert.rejects(read('{"format":"other"}\n'), /no backup/)
  const newer = { format: formatName, formatVersion: 2, version: '9.0.0' }
  await assert.rejects(read(`${JSON.stringify(newer)}\n`), /version 9\.0\.0, which is newer/)
})
