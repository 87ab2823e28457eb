import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './crew.ts'
import type { World } from './world.ts'

/** The deliveries of a process: rows that were written as leased to it, and rows of lanes that it has leased. */
export async function heldBy(world: World, { child }: Member): Promise<readonly string[]> {
  const rows = await world.query<{ id: string }>(
    `select o.webhook_id as id from owed o join processes p on p.pid = $1
     left join lanes l on l.subscription_id = o.subscription_id
     where o.owner = p.id or (o.owner is null and l.owner = p.id)`,
    [child.pid],
  )
  return rows.map(({ id }) => id)
}

/** What the others took over from a process that they declared dead though it lived. */
export interface Takeover {
  /** How long after the beginning of its silence. */
  readonly afterMs: number
  /** The deliveries that were its own at the end. */
  readonly held: readonly string[]
  /** Those of them that the receiver had accepted from it: it could not log them, so the others make them again. */
  readonly delivered: readonly string[]
}

/**
 * Waits until the others have declared a process dead that goes on, and cannot be heard by them.
 *
 * @param from the beginning of its silence (`performance.now()`)
 */
export async function untilTakenOver(world: World, member: Member, from: number): Promise<Takeover> {
  let held: readonly string[] = []
  let lookedAt = from
  for (;;) {
    const beganAt = performance.now()
    const rows = await world.query('select from processes where pid = $1', [member.child.pid])
    if (rows.length === 0) break
    const now = await heldBy(world, member)
    // Between the two questions it may have been declared dead, and then holds nothing.
    const isStill = await world.query('select from processes where pid = $1', [member.child.pid])
    if (isStill.length === 0) break
    ;[held, lookedAt] = [now, beganAt]
    if (performance.now() - from > 30_000)
      throw new Error('the process that was cut off was not declared dead within 30 s')
    await sleep(50)
  }
  const { records } = world.receiver
  const isDelivered = (id: string) =>
    records.get(id)?.arrivals.some(({ at, isAccepted }) => isAccepted && at <= lookedAt) ?? false
  return { afterMs: performance.now() - from, held, delivered: held.filter(isDelivered) }
}

/** The others have delivered all of these. The limit is for what never comes. */
export async function untilSettled(world: World, ids: readonly string[]): Promise<void> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(100)) {
    const rows = await world.query('select from owed where webhook_id = any($1) limit 1', [ids])
    if (rows.length === 0) return
  }
  throw new Error(
    'what a process held was not delivered by the others within a minute after it was declared dead',
  )
}

/** @returns how long it took the others since `from` (`performance.now()`), in milliseconds */
export async function untilDeclaredDead(world: World, { child }: Member, from: number): Promise<number> {
  for (;;) {
    const rows = await world.query('select from processes where pid = $1', [child.pid])
    const took = performance.now() - from
    if (rows.length === 0) return took
    if (took > 30_000) throw new Error('the stopped process was not declared dead within 30 s')
    await sleep(100)
  }
}
