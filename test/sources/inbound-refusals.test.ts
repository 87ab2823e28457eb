import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import { InboundRefusals } from '../../src/sources/inbound-refusals.ts'
import { sourceLimits } from '../../src/sources/schema.ts'
import { testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const subscriptions = testSubscriptions(world)

async function aSubscription() {
  const { id } = await subscriptions.create(localOperator, {
    target_url: 'https://example.com/hooks',
    inbound: { preset: 'azure-event-grid', secrets: ['the code'] },
  })
  const found = subscriptions.get(id)
  assert.ok(found)
  return found
}

const came = (url = '/ingest/1?code=a-wrong-one&x=1', headers = {}) =>
  ({ method: 'POST', url, headersDistinct: headers }) as unknown as IncomingMessage // what is read of one
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Parameters<InboundRefusals['list']>[1]['before']
let now = Date.parse('2026-11-29T05:00:00Z')
const refusals = new InboundRefusals({ database: world.database, clock: { now: () => now } })
const kept = (id: number) => refusals.list(id, { before: lastId, limit: 200 })

test('of each subscription the newest are kept, in number and in bytes, without the secret that was tried; old ones go', async () => {
  const [one, other] = [await aSubscription(), await aSubscription()]
  for (let n = 0; n < sourceLimits.refusals + 50; n++)
    refusals.refused(one, came(), 'wrong_token', Buffer.from(`${n}`))
  refusals.refused(other, came(), 'wrong_token', Buffer.alloc(100_000, 'x'))
  assert.deepEqual([await kept(one.id), await kept(other.id)], [[], []], 'nothing is written at once')
  await refusals.flush()
  // A flood of one leaves room for others, and is cut.
  assert.equal((await kept(one.id)).length, sourceLimits.refusals)
  const [cut] = await kept(other.id)
  assert.deepEqual([cut?.query, cut?.body_bytes, cut?.body_truncated], ['code=[redacted]&x=1', 100_000, true])
  assert.equal(cut?.body.length, sourceLimits.bodyBytes)
  for (let n = 0; n < 90; n++)
    refusals.refused(other, came(), 'wrong_token', Buffer.alloc(sourceLimits.bodyBytes, 'x'))
  await refusals.flush()
  const bytes = (await kept(other.id)).reduce((sum, { body }) => sum + body.length, 0)
  assert.ok(bytes <= sourceLimits.keptBytes && bytes > sourceLimits.keptBytes / 2, `${bytes}`)
  now += 3_600_000
  refusals.refused(one, came(), 'wrong_token', Buffer.from('late'))
  await refusals.flush()
  await refusals.removeOld(1_800_000, new AbortController().signal)
  assert.deepEqual(
    (await kept(one.id)).map(({ body }) => body),
    ['late'],
  )
  assert.deepEqual(await kept(other.id), [])
})

test('what cannot be written is gathered further, and what comes to a subscription that is gone is no trouble', async t => {
  const one = await aSubscription()
  refusals.refused(one, came(), 'wrong_token', Buffer.from('kept'))
  const { transaction } = world.database
  world.database.transaction = () => Promise.reject(new Error('away'))
  t.after(() => Object.assign(world.database, { transaction }))
  await assert.rejects(refusals.flush(), /away/)
  world.database.transaction = transaction
  await refusals.flush()
  assert.equal((await kept(one.id)).length, 1)
  refusals.refused({ ...one, id: 999_999 }, came(), 'wrong_token', Buffer.from('x'))
  await refusals.flush()
  assert.deepEqual(await kept(999_999), [])
})
