import { setTimeout as sleep } from 'node:timers/promises'
import { inBatches } from '../platform/batches.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Transactional } from '../platform/postgres.ts'
import { copyRows, repeatRemovals } from './kept-store.ts'
import {
  createKept,
  dropTable,
  exchangePartitions,
  isKeptPartition,
  listPartitions,
  listUnusedKept,
  lockAgainstWrites,
  type Partition,
  type PartitionedTable,
  waitForLocks,
} from './partition-store.ts'
import { idBefore, type KeptRows, nameOfTime, partitionMs, timeOf, unlessBusy } from './partitions.ts'

export interface KeptDeps {
  readonly database: Database
  /** The one that holds the lock of retention. */
  readonly session: Transactional
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly exchangeAgainMs?: number | undefined
}

/**
 * To exchange partitions takes the whole table for a moment. Statements that come meanwhile wait behind it, so it waits for
 * those under way for no longer than this, tries some more times, and leaves it to the next round.
 */
const lockMsMax = 100
const tries = 5
const usualAgainMs = 500

/**
 * Puts in the place of a partition one that has the rows of some tenants only. Readers see either the one or the other. Cut
 * off anywhere it leaves a table that nobody reads, which the next round drops.
 *
 * @param tenants whose rows stay
 */
export async function keepRowsOf(
  deps: KeptDeps,
  table: PartitionedTable,
  partition: Partition,
  tenants: readonly string[],
): Promise<KeptRows> {
  if (tenants.length === 0) return 'none'
  return replaceBy(deps, table, [partition], tenants)
}

/**
 * Puts one partition in the place of several that were kept, so that there are never more than about a hundred, however long
 * some tenants keep theirs.
 *
 * @param before what ends later is not looked at (Unix milliseconds)
 * @param hours how long the tenant that keeps them for the longest does
 */
export async function joinKept(
  deps: KeptDeps,
  table: PartitionedTable,
  before: number,
  hours: number,
): Promise<void> {
  const lengthMs = partitionMs(hours)
  const all = await listPartitions(deps.database, table)
  const kept = all.filter(({ name, to }) => isKeptPartition(name) && timeOf(to) <= before)
  const groups = Map.groupBy(kept, ({ from }) => Math.floor(timeOf(from) / lengthMs))
  for (const [place, group] of groups) {
    const end = (place + 1) * lengthMs
    const [first, last] = [group[0], group.at(-1)]
    if (first === undefined || last === undefined || group.length < 2) continue
    if (end > before || timeOf(last.to) > end || deps.signal.aborted) continue
    const isBetween = ({ from, to }: Partition) => from >= first.from && to <= last.to
    if (all.filter(isBetween).length > group.length) continue // one that was to go is still there
    await replaceBy(deps, table, group, null)
  }
}

/** Drops what an earlier round was about to put in the place of partitions. */
export async function dropUnusedKept({ database }: KeptDeps, table: PartitionedTable): Promise<void> {
  for (const name of await listUnusedKept(database, table)) await dropTable(database, name)
}

async function replaceBy(
  deps: KeptDeps,
  table: PartitionedTable,
  old: readonly Partition[],
  tenants: readonly string[] | null,
): Promise<KeptRows> {
  const { session, database } = deps
  const [first, last] = [old[0], old.at(-1)]
  if (first === undefined || last === undefined) return 'none'
  const [from, to] = [first.from, last.to]
  const name = `${table}_k${nameOfTime(timeOf(from))}_${nameOfTime(timeOf(to))}`
  if (old.some(partition => partition.name === name)) return 'not now'
  await createKept(session, table, name, { from, to })
  const copied = await copyAll(deps, table, name, { from, to }, tenants)
  if (copied === undefined || copied === 0) {
    await dropTable(session, name)
    return copied === 0 ? 'none' : 'not now'
  }
  if (!(await exchange(deps, table, old, { name, from, to }))) {
    await dropTable(session, name)
    return 'not now'
  }
  for (const partition of old) await dropTable(database, partition.name)
  return 'exchanged'
}

/** @returns how many; undefined when it was told to end before it was done */
async function copyAll(
  { session, logger, signal }: KeptDeps,
  table: PartitionedTable,
  name: string,
  { from, to }: Pick<Partition, 'from' | 'to'>,
  tenants: readonly string[] | null,
): Promise<number | undefined> {
  let copied = 0
  const options = { name: `keeping what some tenants keep for longer of ${table}`, logger, signal }
  const { isDone } = await inBatches<Uuid>(options, idBefore(timeOf(from)), async (after, limit) => {
    const page = await copyRows(session, table, name, { after, to }, tenants, limit)
    copied += page.copied
    return page
  })
  return isDone ? copied : undefined
}

async function exchange(
  { session, signal, exchangeAgainMs = usualAgainMs }: KeptDeps,
  table: PartitionedTable,
  old: readonly Partition[],
  kept: Partition,
): Promise<boolean> {
  for (let left = tries; left > 0 && !signal.aborted; left--) {
    const exchanging = session.transaction(async tx => {
      await waitForLocks(tx, lockMsMax)
      for (const { name } of old) {
        await lockAgainstWrites(tx, name)
        await repeatRemovals(tx, table, name, kept.name)
      }
      await exchangePartitions(
        tx,
        table,
        old.map(({ name }) => name),
        kept,
      )
    })
    if (await unlessBusy(exchanging)) return true
    await sleep(exchangeAgainMs, undefined, { signal }).catch(() => {}) // aborted: the loop ends
  }
  return false
}
