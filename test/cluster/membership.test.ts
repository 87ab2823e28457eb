import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Membership, type MembershipDeps } from '../../src/cluster/membership.ts'
import { freeHoldings } from '../../src/lanes/store.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { aLane, allOwed, emptyAll, laneOf, owe } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

type Changes = Partial<MembershipDeps> & { readonly onBeat?: () => Promise<void> }

async function aMembership(t: TestContext, { onBeat, ...changes }: Changes = {}) {
  const clock = fakeClock(noon)
  const rung: number[] = []
  const events: string[] = []
  const membership = new Membership({
    database: world.database,
    connection: world.database,
    clock,
    logger: silentLogger(),
    role: 'all',
    version: '1.2.3',
    recover: freeHoldings,
    ...changes,
  })
  membership.describe(() => ({ held: 4 }))
  membership.on('recovered', dueAt => rung.push(dueAt))
  membership.on('beat', onBeat ?? (async () => void events.push('beat')))
  membership.on('newId', () => void events.push('new id'))
  t.after(() => membership.stop())
  await membership.start()
  if (!onBeat) assert.deepEqual(events.splice(0), ['beat'], 'its connection is made ready before all else')
  return { membership, clock, rung, events }
}

/** Lets one heartbeat happen, without waiting the two seconds for it. */
async function beat(t: TestContext, until: () => boolean | Promise<boolean>): Promise<void> {
  t.mock.timers.tick(2000)
  const end = performance.now() + 3000
  while (!(await until())) {
    if (performance.now() > end) assert.fail('the heartbeat did not come')
    await new Promise(resolve => setImmediate(resolve))
  }
}

/** Enters a process that is not there. */
async function enter(host: string | undefined, pid: number, silentSeconds = 0): Promise<number> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version, heartbeat_at)
           values (coalesce($1, (select host from processes limit 1)), $2, 'all', '1', now() - $3 * interval '1 s') returning id`,
    values: [host, pid, silentSeconds],
  })
  return rows[0]?.id ?? 0
}

async function processes(): Promise<readonly number[]> {
  const { rows } = await world.database.query<{ id: number }>({
    text: 'select id from processes order by id',
  })
  return rows.map(row => row.id)
}

test('a process enters itself, with a clock that goes by the database', async t => {
  const { membership, clock } = await aMembership(t)
  const { rows } = await world.database.query<{ id: number; pid: number; version: string; ms: number }>({
    text: 'select id, pid, version, extract(epoch from now())::float8 * 1000 as ms from processes',
  })
  assert.equal(rows.length, 1)
  assert.deepEqual([rows[0]?.id, rows[0]?.pid, rows[0]?.version], [membership.id, process.pid, '1.2.3'])
  assert.ok(Math.abs(clock.now() - (rows[0]?.ms ?? 0)) < 2000)
})

test('a heartbeat tells the time, shows the state, and steers the clock', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { clock, events } = await aMembership(t)
  await world.database.query({ text: "update processes set heartbeat_at = '2020-01-01'" })
  clock.set(noon)
  events.length = 0
  await beat(t, () => events.length > 0)
  assert.notEqual(clock.now(), noon)
  const { rows } = await world.database.query<{ stats: unknown; recent: boolean }>({
    text: "select stats, heartbeat_at > now() - interval '1 minute' as recent from processes",
  })
  assert.deepEqual(rows, [{ stats: { held: 4 }, recent: true }])
})

test('a process that leaves gives all back, and is known no more', async t => {
  const { database } = world
  const { membership } = await aMembership(t)
  await aLane(database, 1)
  await owe(database, { owner: membership.id })
  await aLane(database, 2, membership.id)
  await membership.stop()
  assert.deepEqual(await processes(), [])
  assert.equal((await allOwed(database))[0]?.owner, null)
  assert.equal((await laneOf(database, 2))?.owner, null)
})

test('two processes that live leave each other alone', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const first = await aMembership(t)
  const second = await aMembership(t)
  await owe(world.database, { owner: first.membership.id })
  await beat(t, () => first.events.length > 0 && second.events.length > 0)
  assert.deepEqual(await processes(), [first.membership.id, second.membership.id])
  assert.equal((await allOwed(world.database))[0]?.owner, first.membership.id)
})

test('what a process of this host held goes to the lanes as soon as it is found dead', async t => {
  const { database } = world
  await aMembership(t)
  const { pid } = spawnSync(process.execPath, ['--version'])
  const dead = await enter(undefined, pid)
  await aLane(database, 1)
  await aLane(database, 2, dead)
  for (let n = 0; n < 3; n++) await owe(database, { owner: dead })
  const { rung, membership } = await aMembership(t)
  assert.equal((await processes()).includes(dead), false)
  assert.ok((await processes()).includes(membership.id))
  for (const row of await allOwed(database)) assert.equal(row.owner, null)
  assert.equal((await laneOf(database, 2))?.owner, null)
  assert.equal(rung.length, 1)
})

test('an earlier life with the same pid is dead, though the pid lives', async t => {
  await aMembership(t)
  const earlier = await enter(undefined, process.pid)
  await aMembership(t)
  assert.equal((await processes()).includes(earlier), false)
})

test('a silent process of another host is not judged by one that has only just come', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const far = await enter('another-host', 1, 3600)
  const { events } = await aMembership(t)
  await beat(t, () => events.length > 0)
  assert.ok((await processes()).includes(far))
})

/** Lets heartbeats happen, two seconds apart, and more before each. */
async function beats(
  t: TestContext,
  count: number,
  before: () => Promise<unknown> = async () => {},
  changes: Changes = {},
) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let shift = 0
  const real = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => real() + shift)
  let heard = 0
  await aMembership(t, {
    ...changes,
    async onBeat() {
      heard++
      await changes.onBeat?.()
    },
  })
  for (let done = 1; done <= count; done++) {
    shift += 2000
    await before()
    t.mock.timers.tick(2000)
    const end = real() + 3000
    while (heard <= done && real() < end) await new Promise(resolve => setImmediate(resolve))
    await setTimeout(20) // the burial comes after the beat
  }
}

test('a silent process of another host is dead to one that has heard nothing of it for ten seconds', async t => {
  const far = await enter('another-host', 1)
  const near = await enter('another-host', 2)
  await owe(world.database, { owner: far })
  await beats(t, 7, () =>
    world.database.query({ text: 'update processes set heartbeat_at = now() where id = $1', values: [near] }),
  )
  const left = await processes()
  assert.equal(left.includes(far), false)
  assert.equal(left.includes(near), true)
  assert.equal((await allOwed(world.database))[0]?.owner, null)
})

test('nobody is dead because the clock of the database has jumped', async t => {
  const other = await enter('another-host', 1)
  let hours = 0
  await beats(t, 7, () => {
    hours += hours > 3 ? -7 : 1
    return world.database.query({
      text: "update processes set heartbeat_at = now() - $2 * interval '1 hour' where id = $1",
      values: [other, hours],
    })
  })
  assert.ok((await processes()).includes(other))
})

test('what a dead process committed after its burial goes to its lane at the next heartbeat', async t => {
  const { database } = world
  t.mock.timers.enable({ apis: ['setInterval'] })
  await aMembership(t)
  const { pid } = spawnSync(process.execPath, ['--version'])
  const dead = await enter(undefined, pid)
  const { rung } = await aMembership(t)
  assert.equal((await processes()).includes(dead), false)
  await aLane(database, 1)
  await owe(database, { owner: dead })
  await beat(t, () => rung.length === 2) // once for the burial, once for the late row
  assert.equal((await allOwed(database))[0]?.owner, null)
})

test('a process that was declared dead though it lives goes on under a new id', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { membership, events } = await aMembership(t)
  const before = membership.id
  await world.database.query({ text: 'delete from processes' })
  await beat(t, () => events.length >= 2)
  assert.deepEqual(events, ['new id', 'beat'])
  assert.ok(membership.id > before)
  assert.deepEqual(await processes(), [membership.id])
})

test('what a process committed under an earlier id, after its burial, goes to its lane when it gets another', async t => {
  const { database } = world
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { membership, rung } = await aMembership(t)
  await database.query({ text: 'delete from processes' }) // another one has buried it
  await aLane(database, 1)
  await owe(database, { owner: membership.id })
  await beat(t, () => rung.length > 0)
  assert.equal((await allOwed(database))[0]?.owner, null)
})

test('a process that has slept for long is not sure to be known until its next heartbeat', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let shift = 0
  const real = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => real() + shift)
  const { membership, events } = await aMembership(t)
  assert.equal(membership.isSure, true)
  shift = 9000
  assert.equal(membership.isSure, false)
  await beat(t, () => events.length > 0)
  assert.equal(membership.isSure, true)
})

test('what goes wrong beside the heartbeats does not keep a process from judging who is silent', async t => {
  const far = await enter('another-host', 1)
  let heard = 0
  await beats(t, 8, async () => {}, {
    onBeat: async () => {
      if (++heard === 3) throw new Error('it could not listen')
    },
  })
  assert.equal((await processes()).includes(far), false)
})

test('heartbeats go on while the dead are being buried', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { pid } = spawnSync(process.execPath, ['--version'])
  const long = Promise.withResolvers<never>()
  const { events } = await aMembership(t, { database: { transaction: () => long.promise } })
  await enter(undefined, pid)
  await beat(t, () => events.length === 1)
  await beat(t, () => events.length === 2)
  long.reject(new Error('over'))
})

test('a process that another one is burying is not waited for', async t => {
  await aMembership(t)
  const { pid } = spawnSync(process.execPath, ['--version'])
  const dead = await enter(undefined, pid)
  await world.database.transaction(async tx => {
    await tx.query({ text: 'select from processes where id = $1 for update', values: [dead] })
    const begun = aMembership(t).then(() => 'begun') // it buries at once
    assert.equal(await Promise.race([begun, setTimeout(2000, 'still waiting')]), 'begun')
  })
  assert.ok((await processes()).includes(dead))
})

test('a heartbeat that fails is followed by another', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let away = false
  const { events } = await aMembership(t, {
    connection: {
      query: statement => (away ? Promise.reject(new Error('away')) : world.database.query(statement)),
    },
  })
  away = true
  t.mock.timers.tick(2000)
  await setTimeout(20)
  assert.deepEqual(events, [])
  away = false
  await beat(t, () => events.length > 0)
})
