import assert from 'node:assert/strict'
import type fc from 'fast-check'
import { declareDead as declareProcessDead, insertProcess } from '../../src/cluster/store.ts'
import { freeLeased } from '../../src/handover/store.ts'
import { insertEvents } from '../../src/ingest/store.ts'
import { endWaitingIn } from '../../src/lanes/end-owed-store.ts'
import { recoverHoldings } from '../../src/lanes/recover.ts'
import { repair } from '../../src/lanes/repair.ts'
import {
  deleteLane,
  leaseLanes,
  leaseNewLanes,
  readDue,
  releaseLanes,
  wakeOwing,
} from '../../src/lanes/store.ts'
import { subscriptionLanes } from '../../src/lanes/subscription-lanes.ts'
import { pauseLanes } from '../../src/lanes/subscription-lanes-store.ts'
import { type AttemptEntry, recordAttempts, recordFinalAttempts } from '../../src/log/store.ts'
import { uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Database, Queryable } from '../../src/platform/postgres.ts'
import {
  keyOf,
  type LaneModel,
  type ModelProcess,
  type ModelRow,
  opensAt,
  statementMsMax,
  storedLanes,
} from './lane-model.ts'
import { anEvent } from './rows.ts'
import { eventually } from './service.ts'

// Steps that lanes may take: each is done in the database and in the model of test/support/lane-model.ts.

/** What the steps are done to. */
export interface RealLanes {
  /** Its time is that of `setTime`. */
  readonly database: Database
  /** A connection that takes its time between a statement and the commit. */
  readonly inserter: Queryable
  /** How many steps were done. */
  steps: number
}

export type LaneStep = fc.AsyncCommand<LaneModel, RealLanes>

/**
 * One step. `run` does it in the database and in the model; afterwards the two are compared.
 *
 * @param check whether the step is possible now
 */
function step(
  words: string,
  check: (model: LaneModel) => boolean,
  run: (model: LaneModel, db: Database, inserter: Queryable) => Promise<unknown>,
): LaneStep {
  return {
    check: model => check(model as LaneModel), // fast-check makes it readonly, and with it loses what is private
    async run(model, real) {
      await run(model, real.database, real.inserter)
      await model.check(real.database)
      real.steps++
    },
    toString: () => words,
  }
}

const neverAborted = new AbortController().signal

const isAlive = (model: LaneModel, index: number) => model.process(index).state === 'alive'
/** It writes: also one that has not heard yet that it was declared dead. */
const isRunning = (model: LaneModel, index: number) =>
  /^(alive|declared dead)$/.test(model.process(index).state)

export async function insertProcessOf(db: Queryable): Promise<number> {
  return insertProcess(db, { host: 'test', pid: 1, role: 'all', version: '0' }, 600_000)
}

function newRow(model: LaneModel, subscriptionId: number, owner: number | null, dueAt: number): ModelRow {
  const webhookId = uuidV7Source(model.clock)()
  return { webhookId, subscriptionId, attempt: 1, owner, dueAt, isForgotten: false, isOrphan: false }
}

/** @param dueAt what the caller asks for; the row may be due later than that */
async function insert(
  db: Queryable,
  model: LaneModel,
  rows: readonly ModelRow[],
  dueAt?: number,
): Promise<void> {
  const events = rows.map(({ webhookId, subscriptionId }) =>
    anEvent({ webhookId, subscriptionIds: [subscriptionId] }),
  )
  const owed = rows.map(({ webhookId, subscriptionId, owner }) => ({
    ...{ webhookId, subscriptionId, owner, sizeBytes: 7 },
    ...(dueAt !== undefined && owner === null && { dueAt }),
  }))
  await insertEvents(db, events, owed, model.now)
}

function hold(process: ModelProcess, row: ModelRow): void {
  process.memory.set(keyOf(row), { row, attempt: row.attempt, isOfLane: row.owner === null })
}

export const create = (id: number, held: boolean) =>
  step(
    `create(${id}, held ${held})`,
    model => !model.made.has(id),
    async (model, db) => {
      await subscriptionLanes.create(db, id, held)
      model.made.add(id)
      model.lanes.set(id, { held, openUntil: null, owner: null, dueAt: null })
    },
  )

export const acceptToMemory = (id: number, index: number, isHeardOf: boolean) =>
  step(
    `accept(${id}, held by process ${index}${isHeardOf ? '' : ', its commit not heard of'})`,
    model => model.made.has(id) && isAlive(model, index),
    async (model, db) => {
      const process = model.process(index)
      const row = newRow(model, id, process.id, model.now)
      await insert(db, model, [row])
      model.add(row)
      if (isHeardOf) hold(process, row)
    },
  )

export const acceptToLanes = (ids: readonly number[], delayMs: number | undefined) =>
  step(
    `accept(${ids}, in lanes${delayMs === undefined ? '' : `, due in ${delayMs} ms`})`,
    model => ids.some(id => model.made.has(id)),
    async (model, db) => {
      const dueAt = delayMs === undefined ? undefined : model.now + delayMs
      const rows = ids
        .filter(id => model.made.has(id))
        .map(id => newRow(model, id, null, Math.max(dueAt ?? 0, model.now)))
      await insert(db, model, rows, dueAt)
      for (const row of rows) model.add(row)
    },
  )

/** Into a lane that is due, and so is neither written nor locked; or for the memory of a process. */
export const beginSlowInsert = (id: number, index: number | null) =>
  step(
    `begin a slow insert(${id}, ${index === null ? 'in its lane' : `held by process ${index}`})`,
    model => {
      if (model.slow || !model.made.has(id)) return false
      if (index !== null) return isAlive(model, index)
      const lane = model.lanes.get(id)
      return lane === undefined || (lane.dueAt !== null && lane.dueAt <= Math.max(model.now, opensAt(lane)))
    },
    async (model, _db, inserter) => {
      const owner = index === null ? null : model.process(index).id
      const row = newRow(model, id, owner, model.now)
      await inserter.query({ text: 'begin' })
      await insert(inserter, model, [row])
      model.slow = { row, beganAt: model.now, isMissed: !model.lanes.has(id) }
    },
  )

async function commitSlow(model: LaneModel, inserter: Queryable): Promise<void> {
  const { slow } = model
  if (!slow) return
  await inserter.query({ text: 'commit' })
  model.slow = undefined
  const { row, isMissed } = slow
  model.rows.set(keyOf(row), row)
  const owner = model.processes.find(process => process.id === row.owner)
  if (row.owner === null) row.isForgotten = isMissed
  else if (owner?.state === 'alive') hold(owner, row)
  else row.isOrphan = true
}

export const commitSlowInsert = () =>
  step(
    'commit the slow insert',
    model => model.slow !== undefined,
    (model, _db, inserter) => commitSlow(model, inserter),
  )

export const lease = (index: number, limit: number, isNewest: boolean) =>
  step(
    `lease(process ${index}, ${limit} lanes${isNewest ? ', the newest' : ''})`,
    model => isAlive(model, index) && model.leasable().length > 0,
    async (model, db) => {
      const process = model.process(index)
      const possible = new Set(model.leasable())
      const leased = isNewest
        ? await leaseNewLanes(db, process.id, model.now - 100_000_000, model.now, limit)
        : await leaseLanes(db, process.id, model.now, limit)
      assert.equal(leased.length, Math.min(limit, possible.size))
      for (const { subscriptionId, dueAt } of leased) {
        assert.ok(possible.has(subscriptionId), `lane ${subscriptionId} is not to be leased now`)
        assert.equal(dueAt, model.laneOf(subscriptionId).dueAt)
        model.lease(process, subscriptionId)
      }
    },
  )

export const leaseTogether = () =>
  step(
    'lease(all processes at once)',
    model => model.processes.every(({ state }) => state === 'alive') && model.leasable().length > 0,
    async (model, db) => {
      const possible = new Set(model.leasable())
      const leases = await Promise.all(model.processes.map(({ id }) => leaseLanes(db, id, model.now, 3)))
      for (const [index, leased] of leases.entries()) {
        for (const { subscriptionId } of leased) {
          assert.ok(possible.delete(subscriptionId), `lane ${subscriptionId} was leased by two, or not due`)
          model.lease(model.process(index), subscriptionId)
        }
      }
      assert.equal(possible.size, 0, 'each was leased by someone')
    },
  )

/** A pass through all lanes of a process that have nothing in memory: what it finds is what waits, up to the limit. */
export const read = (index: number, limit: number) =>
  step(
    `read(process ${index}, ${limit} rows)`,
    model => isAlive(model, index) && model.process(index).leases.size > 0,
    async (model, db) => {
      const { leases, memory, marks } = model.process(index)
      const inMemory = new Set([...memory.values()].map(({ row }) => row.subscriptionId))
      for (const subscriptionId of leases) {
        if (inMemory.has(subscriptionId)) continue
        const after = marks.startOf(subscriptionId)
        const rows = await readDue(db, [{ subscriptionId, after, limit }], model.now)
        marks.found(subscriptionId, after, rows[0]?.dueAt, model.now)
        const expected = model.due(subscriptionId).slice(0, limit)
        assert.deepEqual(
          rows.map(row => [row.webhookId, row.attempt, row.dueAt]),
          expected.map(row => [row.webhookId, row.attempt, row.dueAt]),
          `what is due in lane ${subscriptionId}`,
        )
        for (const row of expected) hold(model.process(index), row)
      }
    },
  )

export type Result = 'delivered' | 'retry' | 'handed back' | 'head of an ordered lane' | 'dropped'

/** A delivery leaves the memory of a process. */
export const settle = (index: number, pick: number, result: Result, delayMs: number) =>
  step(
    `settle(process ${index}, delivery ${pick}, ${result}${result === 'retry' ? ` in ${delayMs} ms` : ''})`,
    model => isRunning(model, index) && model.process(index).memory.size > 0,
    async (model, db) => {
      const { id, memory } = model.process(index)
      const [key, held] = [...memory][pick % memory.size] ?? []
      assert.ok(key && held)
      memory.delete(key)
      const { row, attempt, isOfLane } = held
      const { webhookId, subscriptionId } = row
      const isStillSo = model.rows.has(key) && row.attempt === attempt
      const entry = anAttempt(model, row, attempt)
      if (result === 'delivered') {
        await recordFinalAttempts(db, [{ ...entry, status: 'success', verdict: 'delivered' }])
        if (isStillSo) model.rows.delete(key)
        return
      }
      if (result === 'dropped' && isOfLane) return // it waits in its lane, and nothing is written
      const isRetry = result === 'retry' || result === 'head of an ordered lane'
      const keepsPlace = result === 'head of an ordered lane' && isOfLane
      const dueAt = keepsPlace ? row.dueAt : model.now + (result === 'retry' ? delayMs : 0)
      if (keepsPlace) {
        const until = model.now + delayMs
        await pauseLanes(db, [{ subscriptionId, until, reason: 'order', head: { webhookId, attempt } }])
        if (isStillSo) model.pause(subscriptionId, until)
      }
      const nextAttempt = isRetry ? attempt + 1 : attempt
      await recordAttempts(db, id, isRetry ? [entry] : [], [
        { webhookId, subscriptionId, attempt, nextAttempt, dueAt },
      ])
      if (!isStillSo || (row.owner !== null && row.owner !== id)) return
      row.attempt = nextAttempt
      model.free(row, dueAt)
    },
  )

function anAttempt(model: LaneModel, row: ModelRow, attempt: number): AttemptEntry {
  const { webhookId, subscriptionId } = row
  return {
    ...{ webhookId, subscriptionId, attempt },
    id: uuidV7Source(model.clock)(),
    timestamp: model.now,
    status: 'failed',
    verdict: 'retry',
    httpStatus: 200,
    durationMs: 1,
    nextAt: null,
    error: null,
  }
}

function emptyLeases({ leases, memory }: ModelProcess): readonly number[] {
  const inMemory = new Set(
    [...memory.values()].filter(({ isOfLane }) => isOfLane).map(({ row }) => row.subscriptionId),
  )
  return [...leases].filter(id => !inMemory.has(id)).sort((a, b) => a - b)
}

export const release = (index: number, givesWay: boolean) =>
  step(
    `release(process ${index}${givesWay ? ', giving way' : ''})`,
    model => isRunning(model, index) && emptyLeases(model.process(index)).length > 0,
    async (model, db) => {
      const process = model.process(index)
      const ids = emptyLeases(process)
      const notBefore = givesWay ? model.now - 5000 : null
      await releaseLanes(db, process.id, ids, notBefore, process.marks.of)
      for (const id of ids) model.release(process, id, notBefore)
    },
  )

/** The inserter lowers the lane and is not committed yet when the lane is given back. */
export const releaseBesideInsert = (index: number) =>
  step(
    `release(process ${index}) beside an insert`,
    model => {
      const [id] = emptyLeases(model.process(index))
      const lane = id === undefined ? undefined : model.lanes.get(id)
      const isLowered = lane !== undefined && (lane.dueAt ?? Infinity) > Math.max(model.now, opensAt(lane))
      return !model.slow && isAlive(model, index) && isLowered
    },
    async (model, db, inserter) => {
      const process = model.process(index)
      const [id] = emptyLeases(process)
      assert.ok(id)
      const row = newRow(model, id, null, model.now)
      await inserter.query({ text: 'begin' })
      await insert(inserter, model, [row])
      const releasing = releaseLanes(db, process.id, [id], null, process.marks.of)
      await eventually(
        () => db.query({ text: 'select from pg_locks where not granted' }),
        ({ rowCount }) => rowCount > 0,
      )
      await inserter.query({ text: 'commit' })
      await releasing
      model.add(row)
      model.release(process, id, null)
    },
  )

export const lookAgain = () =>
  step(
    'look again at lanes that were given back',
    model => model.lanes.size > 0,
    async (model, db) => {
      const ids = [...model.lanes.keys()].sort((a, b) => a - b)
      await wakeOwing(db, ids)
      for (const id of ids) {
        const lane = model.laneOf(id)
        const [first] = model.waiting(id)
        if (!first || lane.owner !== null) continue
        const at = Math.max(first.dueAt, opensAt(lane))
        if ((lane.dueAt ?? Infinity) > Math.max(at, model.now)) lane.dueAt = at
        for (const row of model.waiting(id)) row.isForgotten = false
      }
    },
  )

export const pause = (id: number, ms: number) =>
  step(
    `pause(${id}, ${ms} ms)`,
    model => model.lanes.has(id),
    async (model, db) => {
      await pauseLanes(db, [{ subscriptionId: id, until: model.now + ms, reason: 'retry_after' }])
      model.pause(id, model.now + ms)
    },
  )

export const manage = (id: number, what: 'hold' | 'unhold' | 'open' | 'delete') =>
  step(
    `${what}(${id})`,
    model => model.made.has(id) && !model.deleted.has(id),
    async (model, db) => {
      await subscriptionLanes[what === 'delete' ? 'open' : what](db, id)
      const lane = model.laneOf(id)
      lane.held = what === 'hold'
      if (what === 'delete') model.deleted.add(id)
      if (what === 'hold') return
      if (what !== 'unhold') lane.openUntil = null
      lane.dueAt = Math.min(lane.dueAt ?? Infinity, Math.max(model.now, opensAt(lane)))
    },
  )

/** Who has leased the lane of a deleted subscription ends what is owed, and then the lane. */
export const drain = (index: number) =>
  step(
    `drain(process ${index})`,
    model => isAlive(model, index) && emptyLeases(model.process(index)).some(id => model.deleted.has(id)),
    async (model, db) => {
      const process = model.process(index)
      const id = emptyLeases(process).find(id => model.deleted.has(id))
      assert.ok(id)
      const rows = model.waiting(id)
      assert.equal(await endWaitingIn(db, [id], 'the subscription was deleted', 100), rows.length)
      for (const row of rows) model.rows.delete(keyOf(row))
      await deleteLane(db, process.id, id)
      model.lanes.delete(id)
      model.miss(id)
      process.leases.delete(id)
    },
  )

/** It stops, or it is silent and declared dead: then it goes on under its old id until it hears of it. */
export const die = (index: number) =>
  step(
    `die(process ${index})`,
    model => isAlive(model, index),
    async model => {
      const process = model.process(index)
      process.state = 'dead'
      process.leases.clear()
      process.memory.clear()
    },
  )

export const declareDead = (index: number) =>
  step(
    `declare dead(process ${index})`,
    model => /^(alive|dead)$/.test(model.process(index).state),
    async (model, db) => {
      const process = model.process(index)
      const held = [...model.rows.values()].filter(row => row.owner === process.id)
      const touched = new Set(held.map(row => row.subscriptionId))
      for (const [id, lane] of model.lanes) if (lane.owner === process.id) touched.add(id)
      await declareProcessDead(db, process.id)
      const deps = { database: db, clock: model.clock, logger: silentLogger() }
      const freed = await recoverHoldings(deps, { id: process.id, from: 0 }, neverAborted)
      assert.deepEqual(freed, { kind: 'recovered', deliveries: held.length, isDone: true })
      process.state = process.state === 'dead' ? 'recovered' : 'declared dead'
      await recovered(model, db, process.id, held, touched)
    },
  )

/** Rows are due now, and so are the lanes: how soon is the recovery's own affair, if only it is soon enough. */
async function recovered(
  model: LaneModel,
  db: Queryable,
  owner: number,
  rows: readonly ModelRow[],
  touched: ReadonlySet<number>,
): Promise<void> {
  for (const row of rows) model.free(row, model.now)
  const stored = await storedLanes(db)
  for (const id of touched) {
    const lane = model.lanes.get(id)
    if (!lane) continue
    if (lane.owner === owner) lane.owner = null
    if (lane.owner === null) {
      const dueAt = stored[id]?.dueAt ?? Infinity
      assert.ok(dueAt <= Math.max(model.now, opensAt(lane)), `lane ${id} is due too late: ${dueAt}`)
    }
    lane.dueAt = stored[id]?.dueAt ?? null
    model.miss(id)
  }
}

export const goOn = (index: number) =>
  step(
    `go on(process ${index}, under a new id)`,
    model => /^(declared dead|recovered)$/.test(model.process(index).state),
    async (model, db) => {
      const id = await insertProcessOf(db)
      const { state, marks } = model.process(index)
      const process = model.newProcess(id)
      model.processes[index] = state === 'declared dead' ? { ...process, marks } : process
    },
  )

/** Rows that a process should hold, and has not heard of. */
export const freeUnheard = (index: number) =>
  step(
    `free what was not heard of(process ${index})`,
    model => isAlive(model, index) && unheard(model, index).length > 0,
    async (model, db) => {
      const { id } = model.process(index)
      const rows = unheard(model, index)
      const freed = await freeLeased(db, id, rows, model.now)
      assert.equal(freed, rows.length)
      for (const row of rows) model.free(row, model.now)
    },
  )

function unheard(model: LaneModel, index: number): readonly ModelRow[] {
  const { id, memory } = model.process(index)
  return [...model.rows.values()].filter(row => row.owner === id && !memory.has(keyOf(row)))
}

export const repairAll = () =>
  step(
    'repair',
    () => true,
    async (model, db) => {
      const wrong = new Map<number, number>()
      for (const row of model.rows.values()) {
        if (row.owner === null && !model.reaches(row)) wrong.set(row.subscriptionId, row.dueAt)
      }
      const before = new Map([...model.lanes].map(([id, lane]) => [id, lane.dueAt]))
      const orphans = [...model.rows.values()].filter(({ owner }) => {
        const holder = model.processes.find(({ id }) => id === owner)
        return owner !== null && (holder === undefined || /^(declared dead|recovered)$/.test(holder.state))
      })
      const leases = [...model.lanes.values()].filter(({ owner }) => {
        return (
          owner !== null &&
          !model.processes.some(({ id, state }) => id === owner && /^(alive|dead)$/.test(state))
        )
      })
      const deps = { database: db, clock: model.clock, logger: silentLogger() }
      const report = await repair(deps, neverAborted)
      assert.equal(report?.orphans, orphans.length + leases.length)
      for (const row of orphans) {
        row.isOrphan = false
        row.owner = null
        row.dueAt = model.now
        wrong.set(row.subscriptionId, row.dueAt)
      }
      const stored = await storedLanes(db)
      for (const id of wrong.keys()) {
        const lane = model.lanes.get(id) ?? { held: false, openUntil: null, owner: null, dueAt: null }
        model.lanes.set(id, { ...lane, dueAt: stored[id]?.dueAt ?? null })
      }
      for (const [id, dueAt] of before) if (!wrong.has(id)) assert.equal(stored[id]?.dueAt, dueAt)
      for (const row of model.rows.values()) row.isForgotten = false
      assert.deepEqual(
        await repair(deps, neverAborted),
        { orphans: 0, lanes: 0 },
        'a second round finds nothing',
      )
    },
  )

export const advance = (ms: number) =>
  step(
    `advance(${ms} ms)`,
    () => true,
    async (model, db, inserter) => {
      if (model.slow && model.now + ms > model.slow.beganAt + statementMsMax)
        await commitSlow(model, inserter)
      model.clock.advance(ms)
      await setTime(db, model.now)
    },
  )

export function setTime(db: Queryable, now: number): Promise<unknown> {
  return db.query({ text: 'update given.clock set at = $1', values: [new Date(now)] })
}
