import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { EmbeddedPostgresError, withLock } from '../../../src/platform/embedded-postgres/process.ts'

const folder = await mkdtemp(join(tmpdir(), 'webhooks-lock-'))
after(() => rm(folder, { recursive: true, force: true }))
const wait = { timeoutMs: 1000, isCancelled: () => false }

test('a lock runs work by one at a time, and is gone afterwards', async () => {
  const path = join(folder, 'lock')
  const order: string[] = []
  const work = (name: string) => async () => {
    order.push(`${name} begins`)
    await new Promise(resolve => setImmediate(resolve))
    order.push(`${name} ends`)
  }
  await Promise.all([withLock(path, wait, work('a')), withLock(path, wait, work('b'))])
  const [first] = order
  assert.equal(order[1], first?.replace('begins', 'ends'))
  await assert.rejects(rm(path), { code: 'ENOENT' })
})

test('where the folder of the lock cannot be written in, the error says which it is and what to do', async () => {
  await writeFile(join(folder, 'file'), '')
  const path = join(folder, 'file', 'lock') // nobody can write there, not even root
  await assert.rejects(
    withLock(path, wait, async () => {}),
    (error: Error) => {
      assert.ok(error instanceof EmbeddedPostgresError)
      assert.match(
        error.message,
        /^The data folder .*file cannot be written in: ENOTDIR.*set DATA_DIR to another/,
      )
      return true
    },
  )
})
