import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { PostgresServer } from './postgres-server.ts'
import type { Record } from './receiver.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { queryOn, seconds, World } from './world.ts'

/** What clocks do. */
export const clockScenarios: readonly Scenario[] = [
  {
    name: 'clock',
    title: 'the wall clocks of the processes jump by an hour and by a day, each its own way',
    isLong: true,
    run: wallClocks,
  },
  {
    name: 'database-clock',
    title:
      'the clock of PostgreSQL, by which all processes go, jumps by an hour and by a day, both ways and back',
    isLong: true,
    run: databaseClock,
  },
]

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** A retry is due a second after its failure. At half speed, as after a jump backwards, it takes two. */
const retryWithinMs = 10_000

const preload = fileURLToPath(new URL('shift-clock.ts', import.meta.url))

async function wallClocks(ground: Ground): Promise<Ran> {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-faults-'))
  const file = join(folder, 'shift')
  await writeFile(file, '0')
  const env = { NODE_OPTIONS: `--import=${preload}`, FAULTS_CLOCK_FILE: file }
  await using world = await World.open(ground, { processes: 2, perSecond: 150, env })
  const shifts = [dayMs, -dayMs, hourMs, -hourMs, 0]
  for (const shiftMs of ground.short ? shifts.slice(0, 2) : shifts) {
    await sleep(ground.short ? 500 : 3000)
    await world.fault(`wall clock ${shiftMs / hourMs} h`, async () => {
      await writeFile(file, String(shiftMs))
      world.crew.members[0]?.child.kill('SIGUSR2') // the other one stays as it was
    })
    // And one that only starts with that clock.
    const last = world.crew.members[1]
    if (last) await Promise.all([world.crew.start(), world.crew.end(last, 'SIGTERM')])
  }
  await sleep(1000)
  const ran = await world.finish(30_000, () => ({ repeats: 0, why: 'none' }))
  await rm(folder, { recursive: true, force: true })
  return withRetries(ran, longestRetryMs(world.receiver.records))
}

/**
 * PostgreSQL has no clock of its own to move, so the functions that tell its time are hidden behind ones that add a
 * shift: all that the service asks for the time by goes through them.
 */
async function hideClock(server: PostgresServer): Promise<void> {
  const shifted = (name: string) =>
    `create function public.${name}() returns timestamptz language sql volatile as
     $$ select pg_catalog.${name}() + (select by from public.clock_shift) $$`
  for (const text of [
    "create table public.clock_shift as select interval '0' as by",
    shifted('clock_timestamp'),
    shifted('now'),
    'alter database webhooks set search_path = public, pg_catalog',
  ]) {
    await queryOn(server.url(), text)
  }
}

async function databaseClock(ground: Ground): Promise<Ran> {
  await using world = await World.open(ground, { processes: 2, perSecond: 150, prepare: hideClock })
  const shifts = ['1 hour', '0', '1 day', '0', '-1 hour', '0', '-1 day', '0']
  for (const shift of ground.short ? shifts.slice(0, 2) : shifts) {
    await sleep(ground.short ? 500 : 3000)
    await world.fault(`database clock ${shift}`, () => world.query('update clock_shift set by = $1', [shift]))
    await sleep(ground.short ? 2500 : 8000) // a heartbeat, and some deliveries
    ground.say(`the clock is at ${shift}, ${world.receiver.records.size} delivered`)
  }
  const ran = await world.finish(30_000, () => ({ repeats: 0, why: 'none' }))
  return withRetries(ran, longestRetryMs(world.receiver.records))
}

/** How long retries have taken at most: from a failed attempt to the next one. */
export function longestRetryMs(records: ReadonlyMap<string, Record>): number {
  let longest = 0
  for (const { arrivals } of records.values()) {
    for (const [index, { at }] of arrivals.slice(1).entries()) {
      longest = Math.max(longest, at - (arrivals[index]?.at ?? at))
    }
  }
  return longest
}

/** Looks whether retries came when they were due. */
export function withRetries(ran: Ran, longest: number): Ran {
  const note = `no retry, due after 1 s, came later than ${seconds(longest)}`
  const problems =
    longest > retryWithinMs ? [`a retry that was due after 1 s came after ${seconds(longest)}`] : []
  return { ...ran, notes: [...ran.notes, note], problems: [...ran.problems, ...problems] }
}
