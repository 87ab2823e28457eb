import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Membership, type MembershipDeps, type Recovered } from '../../src/cluster/membership.ts'
import { recoverHoldings } from '../../src/lanes/recover.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable, Statement } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { GatedDatabase } from '../support/gated-database.ts'
import { aHealth } from '../support/health.ts'
import { aLane, allOwed, emptyAll, idAt, laneOf, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const unheardMs = 60_000

type Changes = Partial<MembershipDeps> & { readonly onBeat?: () => Promise<void> }

async function aMembership(t: TestContext, { onBeat, ...changes }: Changes = {}) {
  const clock = fakeClock(noon)
  const rung: number[] = []
  const events: string[] = []
  const membership = new Membership({
    connection: world.database,
    control: world.database,
    health: aHealth(),
    clock,
    logger: silentLogger(),
    role: 'all',
    version: '1.2.3',
    unheardMs,
    recover: (held, signal) =>
      recoverHoldings({ database: world.database, clock, logger: silentLogger() }, held, signal),
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
  await eventually(until)
}

/** A connection of which is known how often others were looked at over it, and whether it waits for an answer. */
function aWatchedConnection() {
  const watched = {
    looks: 0,
    underWay: 0,
    connection: {
      async query<Row extends object>(statement: Parameters<Queryable['query']>[0]) {
        watched.underWay++
        try {
          return await world.database.query<Row>(statement)
        } finally {
          watched.underWay--
          if (statement.name === 'read_processes') watched.looks++
        }
      },
    },
  }
  return watched
}

/** Enters a process that is not there. It has not said since when it holds what it holds, unless that is given. */
async function enter(
  host: string | undefined,
  pid: number,
  { silentSeconds = 0, heldFrom }: { silentSeconds?: number; heldFrom?: number } = {},
): Promise<number> {
  const { rows } = await world.database.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version, heartbeat_at, oldest_held_at)
           values (coalesce($1, (select host from processes limit 1)), $2, 'all', '1', now() - $3 * interval '1 s', $4)
           returning id`,
    values: [host, pid, silentSeconds, heldFrom === undefined ? null : new Date(heldFrom)],
  })
  return rows[0]?.id ?? 0
}

/** A process of this host that has died. */
async function died(heldFrom?: number): Promise<number> {
  const { pid } = spawnSync(process.execPath, ['--version'])
  return enter(undefined, pid, heldFrom === undefined ? {} : { heldFrom })
}

/** Every row is in its lane. */
async function allFreed(): Promise<void> {
  await eventually(
    () => allOwed(world.database),
    rows => rows.every(row => row.owner === null),
  )
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
  assert.ok(Math.abs(clock.now() - (rows[0]?.ms ?? 0)) < 60_000)
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
  await owe(database, { owner: membership.id, webhookId: idAt(Date.now()) })
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
  const first = await aMembership(t)
  const dead = await died()
  await aLane(database, 1)
  await aLane(database, 2, dead)
  for (let n = 0; n < 3; n++) await owe(database, { owner: dead })
  await first.membership.stop()
  const { rung, membership } = await aMembership(t)
  assert.equal((await processes()).includes(dead), false)
  assert.ok((await processes()).includes(membership.id))
  await allFreed()
  assert.equal((await laneOf(database, 2))?.owner, null)
  await eventually(
    async () => rung,
    ({ length }) => length > 0,
  )
})

test('an earlier life with the same pid is dead, though the pid lives', async t => {
  await aMembership(t)
  const earlier = await enter(undefined, process.pid)
  await aMembership(t)
  assert.equal((await processes()).includes(earlier), false)
})

test('a silent process of another host is not judged by one that has only just come', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const far = await enter('another-host', 1, { silentSeconds: 3600 })
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
  const watched = aWatchedConnection()
  await aMembership(t, {
    ...changes,
    connection: watched.connection,
    control: watched.connection,
    async onBeat() {
      heard++
      await changes.onBeat?.()
    },
  })
  for (let done = 1; done <= count; done++) {
    shift += 2000
    await before()
    // Others are looked at after each beat, whatever goes wrong beside it.
    await beat(t, () => heard > done && watched.looks === heard && watched.underWay === 0)
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
  await allFreed()
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

test('what a dead process committed after it was declared dead goes to its lane at the next heartbeat', async t => {
  const { database } = world
  t.mock.timers.enable({ apis: ['setInterval'] })
  const first = await aMembership(t)
  const dead = await died()
  const second = await aMembership(t)
  assert.equal((await processes()).includes(dead), false)
  await isFreed(dead)
  await aLane(database, 1)
  await owe(database, { owner: dead, webhookId: idAt(Date.now()) })
  const rung = () => first.rung.length + second.rung.length // either may find it
  const before = rung()
  await eventually(
    async () => {
      t.mock.timers.tick(2000) // a heartbeat that comes while it is still cleaning up does not look again
      return rung()
    },
    now => now > before,
  )
  await allFreed()
})

/** All that was found of a dead process is in the lanes. */
async function isFreed(dead: number): Promise<void> {
  await eventually(
    () =>
      world.database.query({
        text: 'select from dead_processes where freed_at is not null and id = $1',
        values: [dead],
      }),
    ({ rowCount }) => rowCount === 1,
  )
}

test('twelve seconds after its death nothing more can come of a process, and it is forgotten', async t => {
  const { membership } = await aMembership(t)
  const dead = await died()
  await membership.stop()
  const isKnown = async () => {
    const text = 'select from dead_processes where id = $1 union all select from processes where id = $1'
    return (await world.database.query({ text, values: [dead] })).rowCount === 1
  }
  const known: boolean[] = []
  // Of beats that come while it is still looking, none looks again: so there are more than twelve seconds of them.
  await beats(t, 25, async () => known.push(await isKnown()))
  assert.deepEqual(known.slice(0, 5), [true, true, true, true, true])
  await eventually(isKnown, yes => !yes)
})

test('only rows of the time that a process has published are looked at', async t => {
  const { database } = world
  await aMembership(t)
  const heldFrom = Date.now() - 5000
  const dead = await died(heldFrom)
  const older = await owe(database, { owner: dead, webhookId: idAt(heldFrom - 1) })
  await owe(database, { owner: dead, webhookId: idAt(heldFrom) })
  await aMembership(t)
  await isFreed(dead)
  const left = (await allOwed(database)).filter(row => row.owner !== null)
  assert.deepEqual(
    left.map(row => row.webhookId),
    [older],
    'the repair finds what should not be there',
  )
})

test('a process says since when it holds what it holds, and what it may not have heard of', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { membership, events } = await aMembership(t)
  const published = async () => {
    const { rows } = await world.database.query<{ ms: number }>({
      text: 'select (extract(epoch from oldest_held_at) * 1000)::float8 as ms from processes where id = $1',
      values: [membership.id],
    })
    return Number(rows[0]?.ms)
  }
  const isAbout = (ms: number, expected: number) =>
    assert.ok(Math.abs(ms - expected) < 30_000, `${ms - expected}`)
  isAbout(await published(), Date.now() - unheardMs)
  const hourAgo = Date.now() - 3_600_000
  membership.held.entered(hourAgo)
  await beat(t, () => events.splice(0).length > 0)
  isAbout(await published(), hourAgo)
  assert.ok((await published()) <= hourAgo)
  membership.held.left(hourAgo)
  await beat(t, () => events.splice(0).length > 0)
  isAbout(await published(), Date.now() - unheardMs)
})

test('where the clock of the database is behind, its time counts', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const ahead = { now: () => Date.now() + 3_600_000, steer: () => {} }
  const { membership, events } = await aMembership(t, { clock: ahead })
  await beat(t, () => events.length > 0)
  const { rows } = await world.database.query<{ fits: boolean }>({
    text: "select oldest_held_at < now() - interval '59 s' as fits from processes where id = $1",
    values: [membership.id],
  })
  assert.deepEqual(rows, [{ fits: true }])
})

test('who cleans up may die of it: what is left is cleaned up by another one', async t => {
  const { database } = world
  await aMembership(t)
  const dead = await died()
  await owe(database, { owner: dead })
  const failing = await aMembership(t, {
    recover: () => Promise.reject(new Error('it died in the midst of it')),
  })
  assert.equal((await processes()).includes(dead), false)
  await failing.membership.stop().catch(() => {})
  assert.equal((await allOwed(database))[0]?.owner, dead)
  await aMembership(t)
  await allFreed()
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

test('what a process committed under an earlier id, after it was declared dead, goes to its lane when it gets another', async t => {
  const { database } = world
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { membership, rung } = await aMembership(t)
  await database.query({ text: 'delete from processes' }) // another one has declared it dead
  await aLane(database, 1)
  await owe(database, { owner: membership.id, webhookId: idAt(Date.now()) })
  await beat(t, () => rung.length > 0)
  await allFreed()
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

test('heartbeats go on, and others are declared dead, while it cleans up after one', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const long = Promise.withResolvers<Recovered>()
  let asked = 0
  const recover = () => {
    asked++
    return long.promise
  }
  const { events } = await aMembership(t, { recover })
  await died()
  await beat(t, () => asked === 1)
  await beat(t, () => events.length === 2)
  const dead = await died()
  await beat(t, async () => !(await processes()).includes(dead))
  long.resolve({ kind: 'busy' })
})

test('a process that another one is declaring dead is not waited for', async t => {
  await aMembership(t)
  const dead = await died()
  await world.database.transaction(async tx => {
    await tx.query({ text: 'select from processes where id = $1 for update', values: [dead] })
    const begun = aMembership(t).then(() => 'begun')
    const waiting = setTimeout(30_000, 'still waiting', { ref: false })
    assert.equal(await Promise.race([begun, waiting]), 'begun')
  })
  assert.ok((await processes()).includes(dead))
})

test('what a process had under way as it left goes to its lane, too', async t => {
  const { membership } = await aMembership(t)
  await membership.stop()
  await owe(world.database, { owner: membership.id, webhookId: idAt(Date.now()) })
  await aMembership(t)
  await allFreed()
})

test('a process that leaves does not wait longer than it may, and leaves the rest to others', async t => {
  const { database } = world
  const { membership } = await aMembership(t)
  await owe(database, { owner: membership.id, webhookId: idAt(Date.now()) })
  await membership.stop(AbortSignal.abort())
  assert.deepEqual(await processes(), [])
  assert.equal((await allOwed(database))[0]?.owner, membership.id)
  await aMembership(t)
  await allFreed()
})

test('a heartbeat that fails is followed by another', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let away = false
  let refused = 0
  const { events } = await aMembership(t, {
    connection: {
      query(statement) {
        if (!away) return world.database.query(statement)
        refused++
        return Promise.reject(new Error('away'))
      },
    },
  })
  away = true
  await beat(t, () => refused > 0)
  await new Promise(resolve => setImmediate(resolve)) // it has failed
  assert.deepEqual(events, [])
  away = false
  await beat(t, () => events.length > 0)
})

test('a heartbeat waits neither for other statements nor for what followed the one before', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const { promise: held, resolve: release } = Promise.withResolvers<void>()
  let isHeld = false
  let beats = 0
  const { membership } = await aMembership(t, {
    connection: {
      async query<Row extends object>(statement: Statement) {
        const result = await world.database.query<Row>(statement)
        if (statement.name === 'beat') beats++
        return result
      },
    },
    control: {
      async query<Row extends object>(statement: Statement) {
        if (isHeld) await held
        return world.database.query<Row>(statement)
      },
    },
    onBeat: async () => {
      if (isHeld) await held
    },
  })
  isHeld = true
  for (const count of [1, 2, 3]) await beat(t, () => beats === count)
  assert.ok(membership.isSure)
  release()
})

test('a heartbeat that fails is an outage until one gets through', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const gate = new GatedDatabase(world.database)
  const health = aHealth()
  await aMembership(t, { connection: gate, health })
  gate.isAway = true
  await beat(t, () => health.failing.has('heartbeat'))
  gate.isAway = false
  await beat(t, () => health.failing.size === 0)
})
