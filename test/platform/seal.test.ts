import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { StartupError } from '../../src/errors.ts'
import {
  agreeOnKey,
  createSealer,
  keyId,
  loadEncryptionKeys,
  parseEncryptionKey,
  sealedWith,
} from '../../src/platform/seal.ts'
import { testDatabase } from '../support/database.ts'

const oldKey = Buffer.alloc(32, 1)
const newKey = Buffer.alloc(32, 2)

async function emptyFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'seal-'))
  t.after(() => rm(folder, { recursive: true }))
  return folder
}

test('what was sealed opens again in the same context, whatever the text', () => {
  const sealer = createSealer([newKey])
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (plaintext, context) => {
      assert.equal(sealer.open(sealer.seal(plaintext, context), context), plaintext)
    }),
  )
})

test('a sealed value names its version and its key, and never looks the same twice', () => {
  const sealer = createSealer([newKey])
  const sealed = sealer.seal('mysecret', 'subscription 1')
  assert.match(sealed, new RegExp(`^v1:${keyId(newKey)}:[A-Za-z0-9_-]+$`))
  assert.notEqual(sealer.seal('mysecret', 'subscription 1'), sealed)
})

test('a sealed value that was moved or changed does not open', () => {
  const sealer = createSealer([newKey])
  const sealed = sealer.seal('mysecret', 'subscription 1')
  assert.throws(() => sealer.open(sealed, 'subscription 2'), /changed, or moved/)
  const body = sealed.lastIndexOf(':') + 1
  for (let at = body; at < sealed.length - 1; at++) {
    const other = sealed[at] === 'A' ? 'B' : 'A'
    assert.throws(
      () => sealer.open(sealed.slice(0, at) + other + sealed.slice(at + 1), 'subscription 1'),
      /changed, or moved/,
    )
  }
  assert.throws(() => sealer.open(sealed.slice(0, body + 20), 'subscription 1'), /cut short/)
  assert.throws(() => sealer.open('mysecret', 'subscription 1'), /not a sealed value/)
})

test('the keys with which values in a text were sealed are found wherever they stand', () => {
  const piece = fc.constantFrom(
    'v1:',
    'v1:00aa11ff:',
    'v1:00aa11fF:',
    'xv1:deadbeef:',
    ' ',
    '"',
    'v1:deadbeef:AAAA',
    '0',
  )
  fc.assert(
    fc.property(fc.array(piece), pieces => {
      const text = pieces.join('')
      const expected = Array.from(text.matchAll(/\bv1:([0-9a-f]{8}):/g), ([, id]) => id)
      assert.deepEqual(sealedWith(text), expected)
    }),
  )
})

test('the newest key seals, every key of the ring opens', () => {
  const before = createSealer([oldKey]).seal('mysecret', 'context')
  const ring = createSealer([newKey, oldKey])
  assert.equal(ring.open(before, 'context'), 'mysecret')
  assert.ok(ring.seal('x', 'context').startsWith(`v1:${keyId(newKey)}:`))
  assert.deepEqual(ring.keyIds, [keyId(newKey), keyId(oldKey)])
})

test('a missing key is named, the text is not', () => {
  const sealed = createSealer([oldKey]).seal('mysecret', 'context')
  assert.throws(
    () => createSealer([newKey]).open(sealed, 'context'),
    (error: Error) => error.message.includes(keyId(oldKey)) && !error.message.includes('mysecret'),
  )
  assert.throws(() => createSealer([]), /at least one key/)
})

test('a key is 32 bytes, as hex, base64 or base64url', () => {
  const key = Buffer.alloc(32, 0xfb)
  for (const encoding of ['hex', 'base64', 'base64url'] as const) {
    assert.deepEqual(parseEncryptionKey(key.toString(encoding)), key)
    assert.equal(parseEncryptionKey(key.subarray(1).toString(encoding)), undefined)
    assert.equal(parseEncryptionKey(Buffer.alloc(33).toString(encoding)), undefined)
  }
  assert.equal(parseEncryptionKey('correct horse battery staple, and then some more'), undefined)
})

test('keys of the settings are taken as they are, and no file is made', async t => {
  const dataDir = await emptyFolder(t)
  assert.deepEqual(await loadEncryptionKeys({ fromConfig: [newKey, oldKey], dataDir }), [newKey, oldKey])
  assert.deepEqual(await readdir(dataDir), [])
})

test('processes that start at once in a new folder end with one key, which stays', async t => {
  const dataDir = join(await emptyFolder(t), 'deep', 'data')
  const load = () => loadEncryptionKeys({ fromConfig: undefined, dataDir })
  const rings = await Promise.all(Array.from({ length: 20 }, load))
  const [first] = rings
  for (const ring of [...rings, await load()]) assert.deepEqual(ring, first)
  assert.deepEqual(await readdir(dataDir), ['encryption.key'])
  assert.equal((await stat(join(dataDir, 'encryption.key'))).mode & 0o777, 0o600)
})

test('the key file may hold older keys below the newest', async t => {
  const dataDir = await emptyFolder(t)
  await writeFile(
    join(dataDir, 'encryption.key'),
    `${newKey.toString('base64')}\n${oldKey.toString('hex')}\n`,
  )
  assert.deepEqual(await loadEncryptionKeys({ fromConfig: undefined, dataDir }), [newKey, oldKey])
})

test('a damaged key file stops the start and is left as it is', async t => {
  const dataDir = await emptyFolder(t)
  const path = join(dataDir, 'encryption.key')
  for (const content of ['', 'not a key', `${newKey.toString('base64')}\nrubbish`]) {
    await writeFile(path, content)
    await assert.rejects(loadEncryptionKeys({ fromConfig: undefined, dataDir }), StartupError)
    assert.equal(await readFile(path, 'utf8'), content)
  }
})

test('a data folder that cannot be made stops the start with what to do', async t => {
  const file = join(await emptyFolder(t), 'file')
  await writeFile(file, '')
  await assert.rejects(
    loadEncryptionKeys({ fromConfig: undefined, dataDir: join(file, 'data') }),
    (error: Error) => error instanceof StartupError && /set ENCRYPTION_KEYS/.test(error.message),
  )
})

test('the database remembers every key that sealed, and refuses a process that lacks one', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const ring = (...keys: readonly Uint8Array[]) => agreeOnKey(database, createSealer(keys))

  await ring(oldKey)
  await ring(oldKey)
  await assert.rejects(ring(newKey), error => {
    assert.ok(error instanceof StartupError)
    assert.ok(error.message.includes(`sealed with the encryption key ${keyId(oldKey)}`), error.message)
    assert.match(error.message, /Set ENCRYPTION_KEYS to the same keys on every machine/)
    return true
  })
  await ring(oldKey, newKey) // at hand, but it does not seal yet
  await ring(oldKey)
  await ring(newKey, oldKey) // from here on it does
  await assert.rejects(
    ring(oldKey),
    error => error instanceof StartupError && error.message.includes(keyId(newKey)),
  )
  await assert.rejects(ring(newKey), StartupError)
})

test('of two processes that start at once with different keys, one is refused', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const starts = await Promise.allSettled(
    [oldKey, newKey].map(key => agreeOnKey(database, createSealer([key]))),
  )
  assert.deepEqual(starts.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
})
