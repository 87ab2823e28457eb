// In a process of its own: it makes tens of thousands of ids, after which the next ones are of a later time.
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { after, test } from 'node:test'
import { LeasedRows } from '../../src/handover/leased-rows.ts'
import { databaseTime } from '../../src/platform/database-time.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { fixedPlans } from '../../src/platform/sql.ts'
import { fakeClock, hourMs, noon } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { atLength } from '../support/length.ts'
import { aMember } from '../support/member.ts'
import { aLane, allOwed, idAt, laneOf, owe } from '../support/rows.ts'
import { eventually } from '../support/service.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const me = 7

interface Options {
  readonly start?: number
  readonly commitMsMax?: number
  readonly hearsByMessage?: boolean
  readonly connection?: Queryable
}

async function aWorld(options: Options = {}) {
  const { start = noon, commitMsMax = 10_000, hearsByMessage = true, connection = database } = options
  await database.query({ text: 'truncate owed, lanes' })
  await aLane(database, 1)
  const clock = fakeClock(start)
  const newId = uuidV7Source(clock)
  let returned = 0
  const rows = new LeasedRows({
    ...{ connection, clock, commitMsMax, hearsByMessage },
    logger: silentLogger(),
    membership: aMember({ id: me }),
    returned: () => returned++,
  })
  const lease = (owner = me): Promise<Uuid> => owe(database, { webhookId: newId(), owner })
  return { clock, newId, rows, lease, returned: () => returned }
}

const owners = async () => (await allOwed(database)).map(row => row.owner)
const keyOf = (webhookId: Uuid) => ({ webhookId, subscriptionId: 1 })

test('a row that no message has told of goes to its lane within seconds', async () => {
  const { clock, rows, lease, returned } = await aWorld()
  await lease()
  assert.equal(await rows.look(), 0, 'its message may be on the way')
  clock.advance(3001)
  assert.equal(await rows.look(), 1)
  assert.deepEqual(await owners(), [null])
  assert.deepEqual(await laneOf(database, 1), { owner: null, dueAt: noon + 3001 })
  assert.equal(returned(), 1)
})

for (const [what, commitMsMax, ageMs] of [
  ['a row whose commit took long is found when no commit is waited for any more', 10_000, 12_000],
  ['where commits may take longer, that is later', 120_000, 122_000],
  ['a row whose commit happened long after its connection broke is found by the last look', 10_000, 120_000],
] as const) {
  test(what, async () => {
    const { clock, rows, newId } = await aWorld({ commitMsMax })
    const webhookId = newId()
    clock.advance(ageMs - 1000)
    await rows.look()
    await owe(database, { webhookId, owner: me })
    assert.equal(await rows.look(), 0)
    clock.advance(1001)
    assert.equal(await rows.look(), 1)
  })
}

test('a clock that was ahead until the database said the time makes no row be skipped', async () => {
  const { clock, rows, lease } = await aWorld({ start: noon + hourMs })
  clock.steer(noon)
  await rows.look()
  await lease()
  clock.advance(3001)
  assert.equal(await rows.look(), 1)
})

test('when time has gone back, looking begins again from there, and to look twice does no harm', async () => {
  const { clock, rows, lease } = await aWorld()
  const held = await lease()
  assert.ok(rows.hold(keyOf(held)))
  await lease()
  clock.advance(30_000)
  assert.equal(await rows.look(), 1)
  await owe(database, { webhookId: idAt(noon - hourMs), owner: me })
  clock.set(noon - hourMs + 10_000)
  assert.equal(await rows.look(), 1)
  clock.set(noon + 3001)
  assert.equal(await rows.look(), 0)
  assert.deepEqual(await owners(), [null, me, null])
})

test("a row of a process that started after the database's clock was put back is found", async () => {
  const trueNow = await databaseTime(database)
  const { rows } = await aWorld({ start: trueNow + hourMs })
  await owe(database, { webhookId: idAt(trueNow - 4000), owner: me })
  assert.equal(await rows.look(), 1)
  assert.deepEqual(await owners(), [null])
})

test('what is held stays held, however long it takes, and once it has left it is not', async () => {
  const { clock, rows, lease } = await aWorld()
  const webhookId = await lease()
  assert.ok(rows.hold(keyOf(webhookId)))
  for (let i = 0; i < 60; i++) {
    clock.advance(2500)
    assert.equal(await rows.look(), 0)
  }
  assert.deepEqual(await owners(), [me])
})

test('a row whose message comes after a look has passed it goes to its lane, and is not sent from here', async t => {
  const { clock, rows, lease, newId } = await aWorld()
  t.after(() => rows.stop())
  const found = await lease()
  const committedLate = newId()
  clock.advance(3001)
  await rows.look()
  await owe(database, { webhookId: committedLate, owner: me })
  assert.equal(rows.hold(keyOf(found)), false)
  assert.equal(rows.hold(keyOf(committedLate)), false)
  await eventually(owners, found => found.every(owner => owner === null))
  assert.ok(rows.hold(keyOf(newId())), 'one of the present is')
})

test('a row whose message comes while a look reads it is either held or freed, not both', async t => {
  let meanwhile = () => {}
  const connection: Queryable = {
    async query(statement) {
      const result = await database.query(statement)
      if (statement.name === 'read_leased_rows') meanwhile()
      return result as never // the same statement's
    },
  }
  const { clock, rows, lease } = await aWorld({ connection })
  t.after(() => rows.stop())
  const webhookId = await lease()
  let isHeld: boolean | undefined
  meanwhile = () => {
    isHeld ??= rows.hold(keyOf(webhookId))
  }
  clock.advance(3001)
  await rows.look()
  assert.equal(isHeld, false)
  // By the look, or because it was refused: whichever comes first.
  await eventually(owners, found => found.every(owner => owner === null))
})

test('a row is held once', async () => {
  const { rows, lease } = await aWorld()
  const webhookId = await lease()
  assert.equal(rows.hold(keyOf(webhookId)), true)
  assert.equal(rows.hold(keyOf(webhookId)), false)
})

test('what is refused goes to its lane at once, unless it is held', async t => {
  const { rows, lease } = await aWorld()
  t.after(() => rows.stop())
  const [refused, held] = [await lease(), await lease()]
  rows.hold(keyOf(held))
  rows.refuse(keyOf(held))
  rows.refuse(keyOf(refused))
  await eventually(owners, ([first]) => first === null)
  assert.deepEqual(await owners(), [null, me])
})

test('rows of others are left alone', async () => {
  const { clock, rows, lease } = await aWorld()
  await lease(8)
  clock.advance(30_000)
  assert.equal(await rows.look(), 0)
  assert.deepEqual(await owners(), [8])
})

test('under a new id nothing is held of what was held before', async () => {
  const { clock, rows, lease } = await aWorld()
  rows.hold(keyOf(await lease()))
  rows.forget()
  clock.advance(3001)
  assert.equal(await rows.look(), 1)
})

test('what could not be freed is freed by the next look', async () => {
  let isAway = true
  const connection: Queryable = {
    query: statement =>
      isAway && statement.name === 'free_leased'
        ? Promise.reject(new Error('away'))
        : database.query(statement),
  }
  const { clock, rows, lease } = await aWorld({ connection })
  await lease()
  clock.advance(3001)
  await assert.rejects(rows.look(), /away/)
  isAway = false
  assert.equal(await rows.look(), 1)
})

test('without messages only a time in doubt is looked at, from its first to its last id, until it can hold nothing more', async () => {
  const ranges: string[] = []
  const connection: Queryable = {
    query(statement) {
      if (statement.name === 'read_leased_rows') ranges.push('read')
      return database.query(statement)
    },
  }
  const { clock, rows, lease, newId } = await aWorld({ hearsByMessage: false, connection })
  const before = await lease()
  clock.advance(10)
  const [first, between] = [newId(), await lease()]
  const held = await lease()
  rows.hold(keyOf(held))
  clock.advance(10)
  const last = await lease()
  clock.advance(10)
  const later = await lease()
  clock.advance(15_000)
  assert.equal(await rows.look(), 0)
  assert.deepEqual(ranges, [], 'without a doubt nothing is asked')
  // A look that came before the doubt has passed these ids: the last one still comes.
  rows.doubt(last)
  rows.doubt(first)
  clock.advance(110_000)
  assert.equal(await rows.look(), 2)
  const found = new Map((await allOwed(database)).map(row => [row.webhookId, row.owner]))
  assert.deepEqual(
    [before, between, held, last, later].map(id => found.get(id)),
    [me, null, me, null, me],
  )
  ranges.length = 0
  clock.advance(200_000)
  await rows.look()
  assert.deepEqual(ranges, [], 'and then it is over')
})

test('a row that is committed beside the first look at its time, as when PostgreSQL stood still, is found half a minute after its id', async () => {
  const { clock, rows, newId } = await aWorld({ hearsByMessage: false })
  const webhookId = newId()
  clock.advance(5000)
  rows.doubt(webhookId)
  clock.advance(8000)
  assert.equal(await rows.look(), 0)
  await owe(database, { webhookId, owner: me })
  clock.advance(12_500)
  assert.equal(await rows.look(), 1)
})

test('hundreds of thousands of rows in doubt are remembered as one stretch of time, and freed without holding up the event loop', async t => {
  const connection = world.database.connection('leased', { session: fixedPlans, queryTimeoutMs: 60_000 })
  let rowsMost = 0
  const counting: Queryable = {
    async query(statement) {
      const result = await connection.query(statement)
      rowsMost = Math.max(rowsMost, result.rows.length)
      return result as never // the same statement's
    },
  }
  const { clock, rows, newId } = await aWorld({ hearsByMessage: false, connection: counting })
  const count = atLength(305_000, 30_500)
  await connection.query({
    text: `insert into owed (webhook_id, subscription_id, size_bytes, owner, due_at)
           select (lpad(to_hex($1::bigint + n / 17), 12, '0') || '7' || lpad(to_hex(n % 17), 3, '0')
                   || '8' || lpad(to_hex(n), 15, '0'))::uuid, 1, 10, $2, to_timestamp($1 / 1000.0)
           from generate_series(0, $3 - 1) n`,
    values: [noon, me, count],
  })
  const { rows: held } = await connection.query<{ webhookId: Uuid }>({
    text: `select webhook_id as "webhookId" from owed where webhook_id::text like '%000'`,
  })
  for (const { webhookId } of held) assert.ok(rows.hold(keyOf(webhookId)))
  rows.doubt(idAt(noon))
  clock.advance(Math.ceil(count / 17))
  rows.doubt(newId())
  clock.advance(12_001)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const before = performance.eventLoopUtilization()
  const startedAt = performance.now()
  const freed = await rows.look()
  const tookMs = performance.now() - startedAt
  const { active } = performance.eventLoopUtilization(before)
  delay.disable()
  t.diagnostic(
    `${freed} rows in ${Math.round(tookMs)} ms, ${Math.round(active)} ms of it on the event loop; stretches: ` +
      `p50 ${(delay.percentile(50) / 1e6).toFixed(1)}, p99 ${(delay.percentile(99) / 1e6).toFixed(1)}, ` +
      `longest ${(delay.max / 1e6).toFixed(1)} ms`,
  )
  assert.equal(freed, count - held.length)
  const { rows: left } = await connection.query({
    text: `select count(*)::int as kept, count(*) filter (where webhook_id::text like '%000')::int as held
           from owed where owner = $1`,
    values: [me],
  })
  assert.deepEqual(left, [{ kept: held.length, held: held.length }])
  assert.ok(rowsMost <= 500, `${rowsMost} rows in one answer`)
})
