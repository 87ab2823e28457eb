import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import type { Database } from '../../src/platform/postgres.ts'
import { OwnAddresses } from '../../src/test-receivers/own-addresses.ts'

test('whoever tries many addresses of receivers makes few queries at a time', async () => {
  const asked = Promise.withResolvers<{ rows: [] }>()
  let queries = 0
  const query = () => {
    queries++
    return asked.promise
  }
  const addresses = new OwnAddresses({ database: { query } as unknown as Database, clock: { now: Date.now } }) // all that is used
  const token = () => randomBytes(32).toString('base64url')
  const found = Promise.allSettled(Array.from({ length: 50 }, () => addresses.ofToken(token())))
  await new Promise(setImmediate)
  assert.equal(queries, 4)
  asked.resolve({ rows: [] })
  const refused = (await found).filter(one => one.status === 'rejected')
  assert.equal(refused.length, 46)
  assert.deepEqual([...new Set(refused.map(({ reason }) => reason.code))], ['overloaded'])
  assert.equal(await addresses.ofToken(token()), undefined, 'and then goes on')
})
