import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import type { Subscriptions } from '../../src/subscriptions/subscriptions.ts'
import { testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

const target = { target_url: 'https://example.com/hooks?x=1' }

async function twoProcesses(t: TestContext) {
  const world = await testDatabase()
  t.after(() => world.close())
  return { world, one: testSubscriptions(world), other: testSubscriptions(world) }
}

function changesOf(subscriptions: Subscriptions) {
  const changes: (readonly [number, number | undefined])[] = []
  subscriptions.onChange((id, now) => {
    changes.push([id, now?.version])
  })
  return changes
}

test('a change is in the own copy before its caller hears of it, and is told once', async t => {
  const { one } = await twoProcesses(t)
  const changes = changesOf(one)
  const { id } = await one.create(localOperator, target)
  assert.equal(one.get(id)?.path, '/hooks?x=1')
  assert.equal(one.get(id)?.origin, 'https://example.com')
  await one.patch(localOperator, id, { max_in_flight: 3 })
  await one.refresh(id) // its own notification comes back
  await one.load()
  assert.equal(one.get(id)?.maxInFlight, 3)
  await one.remove(localOperator, id)
  await one.refresh(id)
  assert.deepEqual(changes, [
    [id, 1],
    [id, 2],
    [id, undefined],
  ])
})

test('another process takes each change from the notification of the database', async t => {
  const { world, one, other } = await twoProcesses(t)
  const heard = new EventEmitter()
  const listener = world.database.connection('listener', {
    onNotification: (_channel, payload) => {
      other.refresh(Number(payload)).then(
        () => heard.emit('refreshed'),
        error => heard.emit('error', error),
      )
    },
  })
  await listener.query({ text: 'listen subscriptions' })
  const after = async (work: Promise<unknown>) => Promise.all([once(heard, 'refreshed'), work])
  await after(one.create(localOperator, target))
  assert.equal(other.get(1)?.version, 1)
  await after(one.patch(localOperator, 1, { event_types: ['a'] }))
  assert.deepEqual(other.get(1)?.eventTypes, new Set(['a']))
  await after(one.remove(localOperator, 1))
  assert.equal(other.get(1), undefined)
})

test('loading again finds what was made, changed and deleted unheard', async t => {
  const { one, other } = await twoProcesses(t)
  await one.create(localOperator, target)
  await one.create(localOperator, target)
  await other.load()
  const changes = changesOf(other)
  await one.remove(localOperator, 1)
  await one.patch(localOperator, 2, { paused: true })
  await one.create(localOperator, target)
  await other.load()
  assert.deepEqual(
    [1, 2, 3].map(id => other.get(id)?.paused),
    [undefined, true, false],
  )
  assert.deepEqual(
    changes.toSorted((a, b) => a[0] - b[0]),
    [
      [1, undefined],
      [2, 2],
      [3, 1],
    ],
  )
})

test('more subscriptions than one page are loaded, and the first time nobody is told of them', async t => {
  const { world, one, other } = await twoProcesses(t)
  await one.create(localOperator, target)
  await world.database.query({
    text: `insert into subscriptions (target_url, signing_secrets)
           select target_url, '[]' from subscriptions, generate_series(1, 11000) where id = 1`,
  })
  const changes = changesOf(other)
  await other.load()
  assert.equal(other.size, 11_001)
  assert.equal(other.get(11_001)?.path, '/hooks?x=1')
  assert.deepEqual(changes, [])
})

test('news that is older than what is known changes nothing', async t => {
  const { one } = await twoProcesses(t)
  const { id } = await one.create(localOperator, target)
  const readings = Array.from({ length: 20 }, () => one.refresh(id))
  const changing = one.patch(localOperator, id, { timeout_ms: 1234 })
  await Promise.all([...readings, one.load(), changing])
  assert.equal(one.get(id)?.timeoutMs, 1234)
  const removing = one.remove(localOperator, id)
  await Promise.all([one.refresh(id), one.load(), removing, one.refresh(id)])
  assert.equal(one.get(id), undefined)
})

test('a subscription whose secret cannot be opened does not stop the others', async t => {
  const { world, one, other } = await twoProcesses(t)
  await one.create(localOperator, { ...target, secret: 'mysecret' })
  await one.create(localOperator, target)
  await world.database.query({ text: `update subscriptions set secret = 'v1:00000000:AAAA' where id = 1` })
  await other.load()
  assert.deepEqual(
    [1, 2].map(id => other.get(id)?.id),
    [undefined, 2],
  )
})

test('many that changed at once are read together, each after it was asked for', async t => {
  const { world, one } = await twoProcesses(t)
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into subscriptions (target_url, signing_secrets)
           select 'http://localhost/', '[]' from generate_series(1, 3000) returning id`,
  })
  const { mock } = t.mock.method(world.database, 'query')
  const found = await Promise.all([
    ...rows.map(({ id }) => one.refresh(id)),
    one.refresh(2 ** 40),
    one.refresh(-1),
  ])
  assert.deepEqual([found.filter(Boolean).length, found.length], [3000, 3002])
  assert.ok(mock.callCount() <= 5, `${mock.callCount()} statements`)
  assert.equal(one.size, 3000)
})
