import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { Horizon, horizonNotice } from '../../src/cluster/horizon.ts'
import { Notices } from '../../src/cluster/notices.ts'
import { Unwritten } from '../../src/cluster/unwritten.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { uuidTime } from '../../src/platform/id.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { emptyAll } from '../support/rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const unwritten = new Unwritten(systemClock())
const me = 1000

function aHorizon(id = me): Horizon {
  return new Horizon({ connection: database, membership: { id, unwritten } })
}

const read = async (horizon = aHorizon()) => uuidTime(await horizon.read())

/** Another process, which has said this of its rows. */
async function aProcess(unwrittenFrom: Date | null): Promise<number> {
  const { rows } = await database.query<{ id: number }>({
    text: `insert into processes (host, pid, role, version, unwritten_from) values ('elsewhere', 1, 'all', '1', $1) returning id`,
    values: [unwrittenFrom],
  })
  return rows[0]?.id ?? 0
}

const ago = (ms: number) => new Date(Date.now() - ms)

test('alone, all is written up to now', async () => {
  const before = Date.now()
  const horizon = await read()
  assert.ok(horizon >= before - 1 && horizon <= Date.now() + 1, `${horizon - before}`)
})

test('it is where the process is that is farthest behind, this one included', async () => {
  const behind = ago(5000)
  await aProcess(ago(1000))
  await aProcess(behind)
  assert.equal(await read(), behind.getTime())
  const own = new Unwritten(systemClock())
  own.on(() => behind.getTime() - 1000)
  const horizon = new Horizon({ connection: database, membership: { id: me, unwritten: own } })
  assert.equal(await read(horizon), behind.getTime() - 1000)
})

test('a process of a release that does not say it is taken to be late', async () => {
  await aProcess(null)
  const lag = Date.now() - (await read())
  assert.ok(lag >= 19_000 && lag < 30_000, `${lag} ms`)
})

test('a transaction that has written something holds it up until it has ended; one that only reads does not', async () => {
  const begun = Date.now()
  await database.transaction(async tx => {
    await tx.query({ text: 'select 1' })
    assert.ok((await read()) >= begun - 1)
    await tx.query({ text: `insert into installation (name, value) values ('test', '1')` })
    const held = await read()
    await eventually(() => Date.now() > begun + 20)
    assert.equal(await read(), held)
  })
  assert.ok((await read()) >= begun)
})

test('what a dead process has left counts while anything runs that is older than its death', async () => {
  const behind = ago(60_000)
  const enterDead = (died: Date) =>
    database.query({
      text: `insert into dead_processes (id, unwritten_from, died_at) values ($1, $2, $3)`,
      values: [died.getTime() % 1_000_000, behind, died],
    })
  await enterDead(ago(1000))
  assert.ok((await read()) > behind.getTime() + 50_000, 'nothing of it can come any more')
  await database.transaction(async tx => {
    await tx.query({ text: 'select 1' })
    await enterDead(new Date(Date.now() + 1000))
    assert.equal(await read(), behind.getTime())
  })
})

test('a process that is asked by another one says often how far it has written, and is not asked by itself', async t => {
  const id = await aProcess(ago(60_000))
  const answering = aHorizon(id)
  t.after(() => answering.close())
  const notices = new Notices(database)
  t.after(() => notices.connection.close())
  const asked: number[] = []
  notices.on(horizonNotice, by => {
    asked.push(by)
    answering.asked(by)
  })
  await notices.keepListening()
  const reading = aHorizon()
  const begun = Date.now()
  await eventually(async () => (await read(reading)) >= begun)
  assert.deepEqual([...new Set(asked)], [me])
})

test('nobody says anything unasked', async t => {
  const id = await aProcess(ago(60_000))
  const horizon = aHorizon(id)
  t.after(() => horizon.close())
  horizon.asked(id)
  await read(horizon)
  const { rows } = await database.query<{ late: boolean }>({
    text: `select unwritten_from < now() - interval '50 s' as late from processes`,
  })
  assert.deepEqual(rows, [{ late: true }])
})
