import assert from 'node:assert/strict'
import { ReadFrom } from '../../src/lanes/read-from.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { type FakeClock, fakeClock } from './clock.ts'
import type { StoredOwed } from './rows.ts'

// What lanes are to do, as simply as it can be said, to hold the database against. See ARCHITECTURE.md, "Lanes".

/** A row of `owed`. */
export interface ModelRow {
  readonly webhookId: Uuid
  readonly subscriptionId: number
  attempt: number
  owner: number | null
  dueAt: number
  /** Its lane may not know of it: it was committed after its lane was found empty, or without a lane. */
  isForgotten: boolean
  /** Committed after its process was recovered. */
  isOrphan: boolean
}

/** A row of `lanes`. */
export interface ModelLane {
  held: boolean
  openUntil: number | null
  owner: number | null
  /** Infinity while it is leased and nothing has lowered it. */
  dueAt: number | null
}

export interface ModelProcess {
  id: number
  /**
   * A dead one has stopped; one declared dead while it lives goes on until it hears of it, and loses what it holds; what
   * a recovered one held is in the lanes.
   */
  state: 'alive' | 'dead' | 'declared dead' | 'recovered'
  readonly leases: Set<number>
  /** Attempts it has yet to make, by key of the row; and whether the row waits in a lane. */
  readonly memory: Map<
    string,
    { readonly row: ModelRow; readonly attempt: number; readonly isOfLane: boolean }
  >
  readonly marks: ReadFrom
}

/** An inserter whose transaction is open. */
export interface SlowInsert {
  readonly row: ModelRow
  readonly beganAt: number
  /** The lane was given back, or went, before it was committed. */
  isMissed: boolean
}

/** No statement of an inserter takes longer. */
export const statementMsMax = 5000

export function keyOf({ webhookId, subscriptionId }: Pick<ModelRow, 'webhookId' | 'subscriptionId'>): string {
  return `${webhookId} ${subscriptionId}`
}

export class LaneModel {
  readonly clock: FakeClock
  readonly lanes = new Map<number, ModelLane>()
  /** Subscriptions that were made, and of those the ones that were deleted. */
  readonly made = new Set<number>()
  readonly deleted = new Set<number>()
  readonly rows = new Map<string, ModelRow>()
  readonly processes: ModelProcess[]
  slow: SlowInsert | undefined

  constructor(startAt: number, processIds: readonly number[]) {
    this.clock = fakeClock(startAt)
    this.processes = processIds.map(id => this.newProcess(id))
  }

  newProcess(id: number): ModelProcess {
    // Time stands still for the marks' own clock: they are never looked behind, unless there is a reason.
    const marks = new ReadFrom({ clock: this.clock, statementMsMax, monotonicNow: () => 0 })
    return { id, state: 'alive', leases: new Set(), memory: new Map(), marks }
  }

  get now(): number {
    return this.clock.now()
  }

  process(index: number): ModelProcess {
    const process = this.processes[index]
    assert.ok(process)
    return process
  }

  /** Rows that wait in a lane, in the order in which they are read. */
  waiting(subscriptionId: number): readonly ModelRow[] {
    return [...this.rows.values()]
      .filter(row => row.subscriptionId === subscriptionId && row.owner === null)
      .sort((a, b) => a.dueAt - b.dueAt || (a.webhookId < b.webhookId ? -1 : 1))
  }

  due(subscriptionId: number): readonly ModelRow[] {
    return this.waiting(subscriptionId).filter(row => row.dueAt <= this.now)
  }

  /** Lanes that may be leased now. */
  leasable(): readonly number[] {
    return [...this.lanes]
      .filter(
        ([, lane]) =>
          lane.owner === null &&
          !lane.held &&
          (lane.dueAt ?? Infinity) <= this.now &&
          opensAt(lane) <= this.now,
      )
      .map(([id]) => id)
  }

  add(row: ModelRow): void {
    this.rows.set(keyOf(row), row)
    if (row.owner === null) this.wake(row)
  }

  /** A row has come into its lane. */
  wake(row: ModelRow): void {
    const lane = this.lanes.get(row.subscriptionId)
    if (!lane) row.isForgotten = true
    else lane.dueAt = Math.min(lane.dueAt ?? Infinity, Math.max(row.dueAt, opensAt(lane)))
  }

  /** A row goes back to its lane. */
  free(row: ModelRow, dueAt: number): void {
    row.owner = null
    row.dueAt = dueAt
    row.isOrphan = false
    // Its lane may have ended meanwhile, as its subscription was deleted: a new one ends the row, too.
    if (this.lanes.has(row.subscriptionId)) this.wake(row)
    else this.lanes.set(row.subscriptionId, { dueAt: this.now, openUntil: null, held: false, owner: null })
  }

  lease(process: ModelProcess, subscriptionId: number): void {
    const lane = this.laneOf(subscriptionId)
    process.marks.leased(subscriptionId, lane.dueAt ?? undefined)
    process.leases.add(subscriptionId)
    lane.owner = process.id
    lane.dueAt = Infinity
  }

  /** The process gives the lane back; where it is not its own any more nothing changes. */
  release(process: ModelProcess, subscriptionId: number, notBefore: number | null): void {
    process.leases.delete(subscriptionId)
    const lane = this.lanes.get(subscriptionId)
    if (lane?.owner !== process.id) return
    const [first] = this.waiting(subscriptionId)
    const next = first ? Math.max(first.dueAt, opensAt(lane), notBefore ?? -Infinity) : Infinity
    const dueAt = Math.min(lane.dueAt ?? Infinity, next)
    lane.owner = null
    lane.dueAt = dueAt === Infinity ? null : dueAt
    this.miss(subscriptionId)
  }

  /** Whoever inserts into this lane now has seen it before it was given back. */
  miss(subscriptionId: number): void {
    if (this.slow?.row.subscriptionId === subscriptionId) this.slow.isMissed = true
  }

  pause(subscriptionId: number, until: number): void {
    const lane = this.lanes.get(subscriptionId)
    if (!lane) return
    lane.openUntil = Math.max(lane.openUntil ?? -Infinity, until)
    if (lane.dueAt !== null) lane.dueAt = Math.max(lane.dueAt, until)
  }

  laneOf(subscriptionId: number): ModelLane {
    const lane = this.lanes.get(subscriptionId)
    assert.ok(lane)
    return lane
  }

  /** The lane gets to this row in time: it is worked on, or due when the row is, the lane opens, or by now. */
  reaches(row: ModelRow): boolean {
    const lane = this.lanes.get(row.subscriptionId)
    if (!lane) return false
    if (lane.owner !== null) return true
    return lane.dueAt !== null && lane.dueAt <= Math.max(row.dueAt, opensAt(lane), this.now)
  }

  /** Holds what is stored against what is to be, and this against what must always hold. */
  async check(db: Queryable): Promise<void> {
    assert.deepEqual(await storedRows(db), this.#rowsAsStored(), 'owed rows')
    assert.deepEqual(await storedLanes(db), this.lanesAsStored(), 'lanes')
    this.#checkLanes()
    this.#checkRows()
    this.#checkMemory()
  }

  #checkLanes(): void {
    const working = this.processes.filter(({ state }) => state !== 'recovered' && state !== 'declared dead')
    for (const [id, lane] of this.lanes) {
      assert.ok((lane.dueAt ?? Infinity) >= opensAt(lane), `lane ${id} is due before it opens`)
      if (lane.owner === null) {
        assert.notEqual(lane.dueAt, Infinity, `lane ${id} is free, and due never`)
        continue
      }
      assert.notEqual(lane.dueAt, null, `lane ${id} is leased: due at infinity, or when it was lowered to`)
      assert.ok(
        working.some(process => process.id === lane.owner),
        `lane ${id} is leased to nobody`,
      )
    }
  }

  #checkRows(): void {
    const holders = this.processes.filter(({ state }) => state !== 'recovered' && state !== 'declared dead')
    for (const row of this.rows.values()) {
      if (row.owner !== null) {
        const isHeld = row.isOrphan || holders.some(process => process.id === row.owner)
        assert.ok(isHeld, `${keyOf(row)} is held by nobody, and repair was not needed for it`)
        continue
      }
      if (this.reaches(row)) row.isForgotten = false
      assert.ok(row.isForgotten || this.reaches(row), `nothing points to ${keyOf(row)}, due ${row.dueAt}`)
    }
  }

  #checkMemory(): void {
    const seen = new Set<string>()
    const leased = new Set<number>()
    for (const { state, memory, leases } of this.processes) {
      if (state !== 'alive') continue
      for (const key of memory.keys()) {
        assert.ok(!seen.has(key), `${key} is held by two`)
        seen.add(key)
      }
      for (const id of leases) {
        assert.ok(!leased.has(id), `lane ${id} is leased by two`)
        leased.add(id)
      }
    }
  }

  #rowsAsStored(): readonly StoredOwed[] {
    return [...this.rows.values()]
      .map(({ webhookId, subscriptionId, attempt, owner, dueAt }) => ({
        ...{ webhookId, subscriptionId, attempt, owner, dueAt },
      }))
      .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
  }

  lanesAsStored(): Readonly<Record<number, ModelLane>> {
    return Object.fromEntries(this.lanes)
  }
}

/** When a lane opens. */
export function opensAt(lane: ModelLane): number {
  return lane.openUntil ?? -Infinity
}

async function storedRows(db: Queryable): Promise<readonly StoredOwed[]> {
  const { rows } = await db.query<StoredOwed>({
    text: `select webhook_id as "webhookId", subscription_id as "subscriptionId", attempt, owner,
                  (extract(epoch from due_at) * 1000)::float8 as "dueAt" from owed`,
  })
  return rows.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

/** All lanes as they are stored, by subscription. */
export async function storedLanes(db: Queryable): Promise<Readonly<Record<number, ModelLane>>> {
  const { rows } = await db.query<ModelLane & { readonly id: number }>({
    text: `select subscription_id as id, held, owner, (extract(epoch from open_until) * 1000)::float8 as "openUntil",
                  (extract(epoch from due_at) * 1000)::float8 as "dueAt" from lanes order by subscription_id`,
  })
  return Object.fromEntries(rows.map(({ id, ...lane }) => [id, lane]))
}
