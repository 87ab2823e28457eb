import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { Database } from '../../src/platform/postgres.ts'
import { noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { LaneModel } from '../support/lane-model.ts'
import {
  acceptToLanes,
  acceptToMemory,
  advance,
  beginSlowInsert,
  commitSlowInsert,
  create,
  declareDead,
  die,
  drain,
  freeUnheard,
  goOn,
  insertProcessOf,
  type LaneStep,
  lease,
  leaseTogether,
  lookAgain,
  manage,
  pause,
  type RealLanes,
  type Result,
  read,
  release,
  releaseBesideInsert,
  repairAll,
  setTime,
  settle,
} from '../support/lane-steps.ts'
import { atLength } from '../support/length.ts'

// The state machine of lanes on a real PostgreSQL against a simple model: three processes and three subscriptions go
// through what may happen to them in any order. A longer run, and one again that failed:
//   LANES_SECONDS=600 npm test -- test/lanes/lanes.states.test.ts
//   LANES_SEED=<seed of the failure> npm test -- test/lanes/lanes.states.test.ts

const seconds = Number(process.env.LANES_SECONDS ?? atLength(60, 5))
const seed = process.env.LANES_SEED

let world: TestDatabase
let database: Database
before(async () => {
  world = await testDatabase()
  // The time of the database is given, too: `given` comes before pg_catalog in the search path.
  await world.database.query({
    text: `
      create schema given;
      create table given.clock (at timestamptz not null);
      insert into given.clock values (now());
      create function given.now() returns timestamptz language sql stable as 'select at from given.clock'`,
  })
  const { database: name } = world.connection
  await world.database.query({ text: `alter database ${name} set search_path = given, pg_catalog, public` })
  database = new Database({
    connection: world.connection,
    poolSize: 4,
    queryTimeoutMs: 10_000,
    connectTimeoutMs: 10_000,
  })
})
after(async () => {
  await database.close()
  await world.close()
})

const subscriptionIds = [1, 2, 3] as const
const aSubscription = fc.constantFrom(...subscriptionIds)
const aProcess = fc.constantFrom(0, 1, 2)
const aDelay = fc.constantFrom(0, 1, 700, 4000, 30_000, 600_000)
const results = fc.constantFrom<Result>(
  'delivered',
  'retry',
  'handed back',
  'head of an ordered lane',
  'dropped',
)

/** What happens all the time, and what may befall it. */
const usual: readonly fc.Arbitrary<LaneStep>[] = [
  fc.tuple(aSubscription, aProcess, fc.boolean()).map(args => acceptToMemory(...args)),
  fc
    .tuple(fc.subarray([...subscriptionIds], { minLength: 1 }), fc.option(aDelay, { nil: undefined }))
    .map(args => acceptToLanes(...args)),
  fc.tuple(aProcess, fc.integer({ min: 1, max: 3 }), fc.boolean()).map(args => lease(...args)),
  fc.tuple(aProcess, fc.integer({ min: 1, max: 4 })).map(args => read(...args)),
  fc.tuple(aProcess, fc.nat(5), results, aDelay).map(args => settle(...args)),
  fc.tuple(aProcess, fc.boolean()).map(args => release(...args)),
  fc.constantFrom(1, 700, 4000, 30_000, 600_000).map(advance),
]
const seldom: readonly fc.Arbitrary<LaneStep>[] = [
  fc.tuple(aSubscription, fc.boolean()).map(args => create(...args)),
  fc.tuple(aSubscription, fc.option(aProcess)).map(args => beginSlowInsert(...args)),
  fc.constant(commitSlowInsert()),
  fc.constant(leaseTogether()),
  aProcess.map(releaseBesideInsert),
  fc.constant(lookAgain()),
  fc.tuple(aSubscription, fc.constantFrom(500, 5000, 60_000)).map(args => pause(...args)),
  fc.tuple(aSubscription, fc.constantFrom('hold', 'unhold', 'open', 'delete')).map(args => manage(...args)),
  aProcess.map(drain),
  aProcess.map(die),
  aProcess.map(declareDead),
  aProcess.map(goOn),
  aProcess.map(freeUnheard),
  fc.constant(repairAll()),
]

test('whatever happens to lanes, each owed row is reached, in time, and by one process', async t => {
  const real: RealLanes = { database, inserter: database.connection('inserter'), steps: 0 }
  let runs = 0
  const sequences = fc.commands([...usual, ...usual, ...usual, ...seldom], { maxCommands: 150, size: 'max' })
  const property = fc.asyncProperty(sequences, async sequence => {
    const model = await aNewWorld(real)
    await fc.asyncModelRun(() => ({ model, real }), sequence)
    runs++
  })
  await fc.assert(property, {
    numRuns: 1_000_000,
    interruptAfterTimeLimit: seconds * 1000,
    ...(seed !== undefined && { seed: Number(seed) }),
  })
  t.diagnostic(`${runs} runs, ${real.steps} steps`)
})

/** Three processes, and two of the subscriptions. */
async function aNewWorld(real: RealLanes): Promise<LaneModel> {
  const { inserter } = real
  await inserter.query({ text: 'rollback' })
  // To truncate takes as long as a whole run.
  await database.query({ text: 'delete from owed; delete from lanes; delete from processes' })
  await setTime(database, noon)
  const ids: number[] = []
  for (let n = 0; n < 3; n++) ids.push(await insertProcessOf(database))
  const model = new LaneModel(noon, ids)
  for (const id of [1, 2]) await create(id, false).run(model, real)
  return model
}
