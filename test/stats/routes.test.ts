import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { KeyCheck } from '../../src/http/auth.ts'
import { type Caller, Reach } from '../../src/model/caller.ts'
import {
  AllStats,
  StatsBucket,
  StatsTotals,
  SubscriptionFigures,
  SubscriptionStats,
} from '../../src/stats/schema.ts'
import { subscribe } from '../support/replay.ts'
import { testServer } from '../support/server.ts'
import { logAttempts } from '../support/stats.ts'

const caller = (name: string, tenant: string | null): Caller => ({
  actor: { kind: 'key', id: name, name },
  scope: tenant === null ? 'admin' : 'read',
  reach: tenant === null ? Reach.all : Reach.of(tenant),
  expiresAt: null,
})
const callers: Readonly<Record<string, Caller>> = {
  admin: caller('admin', null),
  acme: caller('acme', 'acme'),
}
const keys: KeyCheck = { identify: authorization => callers[authorization ?? ''] }
const server = await testServer({ keys })
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
await database.query({ text: "insert into tenants (id, name) values ('acme', 'Acme')" })
await subscribe(database, [1, 2])
await subscribe(database, [3], { tenant: 'acme' })
await database.query({ text: "update subscriptions set uid = 'mine' where id = 3" })
const now = Date.now()
await logAttempts(database, [
  { at: now - 3000, subscriptionId: 1, durationMs: 20 },
  { at: now - 2000, subscriptionId: 1, errorClass: 'timeout', durationMs: 10_000 },
  { at: now - 1000, subscriptionId: 3, errorClass: 'http', givenUp: true },
])

const ask = (path: string, who = 'admin') => server.request(path, { headers: { authorization: who } })
const context = { StatsBucket, StatsTotals }

test('answers are as the document has them', async () => {
  for (const window of ['1h', '24h', '7d', '30d']) {
    for (const [path, schema] of [
      ['/subscriptions/1/stats', SubscriptionStats],
      ['/stats', AllStats],
      ['/stats/subscriptions', Type.Array(SubscriptionFigures)],
      ['/stats/subscriptions', Type.Array(SubscriptionFigures)],
    ] as const) {
      const { status, json, text, headers } = await ask(`${path}?window=${window}`)
      assert.equal(status, 200, text)
      assert.ok(Compile(context, schema).Check(json), `${path} ${window} ${text}`)
      assert.equal(headers.get('cache-control'), 'no-store')
    }
  }
  const { json } = await ask('/subscriptions/1/stats?window=1h')
  const { totals } = Object(json)
  assert.equal(totals.success_rate, 0.5)
  assert.deepEqual(totals.by_class, { timeout: 1 })
  assert.equal(totals.p50_ms, 20)
})

test('a key of one tenant sees the figures of what it has, and nothing of others', async () => {
  const totals = async (path: string, who: string) => Object((await ask(path, who)).json).totals
  assert.equal((await totals('/stats', 'acme')).failed, 1)
  assert.equal((await totals('/stats', 'admin')).failed, 2)
  assert.equal((await totals('/stats?tenant=default', 'admin')).failed, 1)
  assert.equal((await ask('/stats?tenant=default', 'acme')).status, 403)
  assert.equal((await ask('/subscriptions/1/stats', 'acme')).status, 404)
  assert.equal((await ask('/subscriptions/uid:mine/stats', 'acme')).status, 200)
  const ids = async (path: string, who: string) =>
    (await ask(path, who)).json as readonly { readonly subscription_id: number }[]
  assert.deepEqual(
    (await ids('/stats/subscriptions?ids=1,2,3', 'acme')).map(row => row.subscription_id),
    [3],
  )
  assert.deepEqual(
    (await ids('/stats/subscriptions', 'acme')).map(row => row.subscription_id),
    [3],
  )
  assert.deepEqual(
    (await ids('/stats/subscriptions?limit=1', 'admin')).map(row => row.subscription_id),
    [1],
  )
})

test('what makes no sense is refused with a sentence', async () => {
  for (const [path, pointer] of [
    ['/stats?window=2h', 'window'],
    ['/stats?windows=1h', 'windows'],
    ['/stats/subscriptions?ids=1,,2', 'ids'],
    ['/stats/subscriptions?ids=', 'ids'],
    [`/stats/subscriptions?ids=${Array.from({ length: 101 }, (_, n) => n + 1)}`, 'ids'],
    ['/stats/subscriptions?limit=51', 'limit'],
    ['/stats/subscriptions?ids=1&limit=5', 'limit'],
    ['/stats/subscriptions?ids=1&most=retrying', 'most'],
    ['/stats/subscriptions?most=waiting', 'most'],
  ] as const) {
    const { status, json, text } = await ask(path)
    assert.equal(status, 422, text)
    assert.equal(Object(json).errors[0].pointer, pointer)
  }
  assert.deepEqual((await ask('/stats/subscriptions?ids=9999999999')).json, [])
  assert.equal((await ask('/subscriptions/4711/stats')).status, 404)
  assert.equal((await ask('/subscriptions/x/stats')).status, 422)
})

test('days begin at midnight of a time zone, which is refused with a sentence where it has none that are known', async () => {
  for (const path of ['/stats', '/subscriptions/1/stats']) {
    const { json } = await ask(`${path}?window=30d&time_zone=Etc/GMT-2`)
    const { buckets } = json as { buckets: { start: string }[] }
    assert.ok(buckets.length === 30 && buckets.every(({ start }) => start.endsWith('T22:00:00.000Z')))
    for (const wrong of ['Europe/Nowhere', '', 'Asia/Kolkata']) {
      const refused = await ask(`${path}?window=30d&time_zone=${wrong}`)
      assert.equal(refused.status, 422, wrong)
      assert.equal(Object(refused.json).errors[0].pointer, 'time_zone')
    }
    assert.equal((await ask(`${path}?window=24h&time_zone=Asia/Kolkata`)).status, 200, 'of days only')
  }
})
