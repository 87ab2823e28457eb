import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { after, test } from 'node:test'
import { localOperator, Reach } from '../../src/model/caller.ts'
import { InboundRefusals } from '../../src/sources/inbound-refusals.ts'
import { sourceLimits } from '../../src/sources/schema.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const subscriptions = testSubscriptions(world)

async function aSubscription(tenant = 'default') {
  const { id } = await subscriptions.create(
    { ...localOperator, reach: Reach.of(tenant) },
    {
      target_url: 'https://example.com/hooks',
      inbound: { preset: 'azure-event-grid', secrets: ['the code'] },
    },
  )
  const found = subscriptions.get(id)
  assert.ok(found)
  return found
}

const came = (url = '/ingest/1?code=a-wrong-one&x=1', headers = {}) =>
  ({ method: 'POST', url, headers, headersDistinct: headers }) as unknown as IncomingMessage // what is read of one
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

async function factsOf(id: number) {
  const { rows } = await world.database.query<{ data: Record<string, unknown> }>({
    text: `select data from system_facts where type = 'subscription.inbound_rejecting' and subscription_id = $1 order by id`,
    values: [id],
  })
  return rows.map(({ data }) => data)
}

const rowOf = async (id: number) => {
  const { rows } = await world.database.query<{ n: number; since: Date | null }>({
    text: 'select refused_in_a_row::int as n, refusing_since as since from inbound_refusing where subscription = $1',
    values: [id],
  })
  return rows[0]
}

test('its owner is told once for each time it begins to refuse, whichever process it was; the tenant system never', async t => {
  const [one, ofSystem] = [await aSubscription(), await aSubscription('system')]
  const other = new InboundRefusals({ database: world.database, clock: { now: () => now } })
  const refuse = async (times: number, by = refusals) => {
    for (let n = 0; n < times; n++)
      for (const to of [one, ofSystem]) by.refused(to, came(), 'wrong_token', Buffer.from('x'))
    await by.flush()
  }
  now = Date.now() - 10_000
  await refuse(2)
  await refuse(2, other)
  assert.deepEqual(await factsOf(one.id), [])
  await refuse(1)
  await refuse(10, other)
  const [fact, ...others] = await factsOf(one.id)
  assert.deepEqual(others, [])
  assert.partialDeepStrictEqual(fact, { rejected: 5, reason: 'wrong_token', preset: 'azure-event-grid' })
  assert.equal(Date.parse(String(fact?.since)), now)
  assert.deepEqual(await rowOf(one.id), { n: 15, since: new Date(now) })
  // One that is verified ends it; then an hour has to pass.
  const again = async () => {
    other.verified(one.id)
    await other.flush()
    assert.deepEqual(await rowOf(one.id), { n: 0, since: null })
    await refuse(6)
    return (await factsOf(one.id)).length
  }
  assert.equal(await again(), 1)
  await world.database.query({
    text: `update inbound_refusing set told_at = told_at - interval '2 hours' where subscription = $1`,
    values: [one.id],
  })
  await t.test('though it refuses all the while, it has begun once', async () => {
    await world.database.query({
      text: `update inbound_refusing set refusing_since = told_at - interval '1 hour' where subscription = $1`,
      values: [one.id],
    })
    await refuse(5)
    assert.equal((await factsOf(one.id)).length, 1)
  })
  now = Date.now()
  assert.equal(await again(), 2)
  assert.deepEqual(await factsOf(ofSystem.id), [])
})

test('two processes that write at one moment count what both have refused', async () => {
  const one = await aSubscription()
  refusals.refused(one, came(), 'wrong_token', Buffer.from('x'))
  await refusals.flush()
  for (let n = 0; n < 2; n++) refusals.refused(one, came(), 'wrong_token', Buffer.from('x'))
  let writing: Promise<void> = Promise.resolve()
  await world.database.transaction(async tx => {
    await tx.query({
      text: 'update inbound_refusing set refused_in_a_row = refused_in_a_row + 2 where subscription = $1',
      values: [one.id],
    })
    writing = refusals.flush()
    await eventually(async () => {
      const { rows } = await tx.query({
        text: 'select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))',
      })
      return rows.length > 0
    })
  })
  await writing
  assert.equal((await rowOf(one.id))?.n, 5)
  assert.equal((await factsOf(one.id)).length, 1)
})

test('what is verified without a refusal before it leaves no row, and counts where it could not be written at once', async t => {
  const one = await aSubscription()
  refusals.verified(one.id)
  await refusals.flush()
  assert.equal(await rowOf(one.id), undefined)
  for (let n = 0; n < 4; n++) refusals.refused(one, came(), 'wrong_token', Buffer.from('x'))
  await refusals.flush()
  refusals.verified(one.id)
  refusals.refused(one, came(), 'wrong_token', Buffer.from('x'))
  const { transaction } = world.database
  world.database.transaction = () => Promise.reject(new Error('away'))
  t.after(() => Object.assign(world.database, { transaction }))
  await assert.rejects(refusals.flush(), /away/)
  refusals.refused(one, came(), 'wrong_token', Buffer.from('x'))
  world.database.transaction = transaction
  await refusals.flush()
  assert.equal((await rowOf(one.id))?.n, 2)
  assert.deepEqual(await factsOf(one.id), [])
})
