import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Batch, besideThePath, inBatches } from '../../src/platform/batches.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/service.ts'

const going = () => new AbortController().signal

/** A table of numbers from 1 on, whose reading takes as long as the test says. */
function aTable(t: TestContext, rows: number, msPerRow = 0) {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const limits: number[] = []
  return {
    limits,
    step: async (after: number, limit: number): Promise<Batch<number>> => {
      limits.push(limit)
      const read = Math.min(limit, rows - after)
      now += read * msPerRow
      return { rows: read, last: read === 0 ? undefined : after + read }
    },
  }
}

const options = { name: 'a walk', logger: silentLogger(), restShare: 0 }

test('a walk looks at every row once, and knows when it is done', async t => {
  const { step, limits } = aTable(t, 4500)
  assert.deepEqual(await inBatches({ ...options, signal: going() }, 0, step), {
    rows: 4500,
    last: 4500,
    isDone: true,
  })
  assert.deepEqual(limits, [1000, 2000, 4000], 'larger batches while they take no time')
})

test('a walk goes on after a batch of few rows that says so, and counts what there was', async () => {
  const batches: Batch<number>[] = [
    { rows: 3, last: 10, goesOn: true },
    { rows: 0, last: 20, goesOn: true },
    { rows: 5, last: 30, goesOn: false },
  ]
  const walked = await inBatches(
    { ...options, signal: going() },
    0,
    async after => batches[after / 10] ?? { rows: 0, last: undefined },
  )
  assert.deepEqual(walked, { rows: 8, last: 30, isDone: true })
})

test('batches become smaller where they take long, down to a bound', async t => {
  const { step, limits } = aTable(t, 2400, 10)
  await inBatches({ ...options, signal: going() }, 0, step)
  assert.deepEqual(limits.slice(0, 6), [1000, 500, 250, 125, 100, 100])
})

test('a walk ends after as many rows as it may look at, and the next one goes on behind them', async t => {
  const { step } = aTable(t, 5000)
  const first = await inBatches({ ...options, signal: going(), rowsMax: 2500 }, 0, step)
  assert.deepEqual(first, { rows: 2500, last: 2500, isDone: false })
  const second = await inBatches({ ...options, signal: going() }, first.last ?? 0, step)
  assert.deepEqual(second, { rows: 2500, last: 5000, isDone: true })
})

test('a walk that is told to stop ends with the batch that is under way, and does not rest', async t => {
  const { step } = aTable(t, 5000, 60_000)
  const stopping = new AbortController()
  const walked = await inBatches({ ...options, signal: stopping.signal, restShare: 1 }, 0, (after, limit) => {
    stopping.abort()
    return step(after, limit)
  })
  assert.deepEqual(walked, { rows: 1000, last: 1000, isDone: false })
})

test('a walk rests after each batch for as long as it took', async () => {
  const stopping = new AbortController()
  let batches = 0
  const began = performance.now()
  await inBatches({ ...options, signal: stopping.signal, restShare: 1 }, 0, async (_after, limit) => {
    const until = performance.now() + 40
    while (performance.now() < until);
    if (++batches === 3) stopping.abort()
    return { rows: limit, last: batches }
  })
  const tookMs = performance.now() - began
  assert.ok(tookMs >= 3 * 40 + 2 * 39, `${tookMs} ms`)
})

test('work has a session of its own, which is never another one, and nothing is left of it', async t => {
  const { database, close } = await testDatabase()
  t.after(close)
  const isOver = () =>
    eventually(
      () =>
        database.query({
          text: "select from pg_stat_activity where application_name like '% a piece of work'",
        }),
      ({ rowCount }) => rowCount === 0,
    )
  const work = besideThePath(database, 'a piece of work', async session => {
    const { rows } = await session.query<{ pid: number; timeout: string }>({
      text: "select pg_backend_pid() as pid, current_setting('statement_timeout') as timeout",
    })
    assert.equal(rows[0]?.timeout, '1min')
    await database.query({ text: 'select pg_terminate_backend($1)', values: [rows[0]?.pid] })
    await session.query({ text: 'select 1' }).catch(() => {})
    await session.query({ text: 'select 1' })
  })
  await assert.rejects(work, /does not answer/)
  await isOver()
  await besideThePath(database, 'a piece of work', session => session.query({ text: 'select 1' }))
  await isOver()
})
