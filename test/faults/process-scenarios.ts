import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './crew.ts'
import type { Figures } from './figures.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { between, seconds, World, type WorldOptions } from './world.ts'

/** What happens to processes of the service. */
export const processScenarios: readonly Scenario[] = [
  {
    name: 'kill',
    title: 'processes of the service are killed at random (`kill -9`), one in twenty times all at once',
    run: kill,
  },
  {
    name: 'zombie',
    title: 'a process is stopped (`SIGSTOP`) until the others have declared it dead, and goes on',
    run: zombie,
  },
  {
    name: 'deploy',
    title: 'all processes are restarted one after the other (`SIGTERM`), as a deploy does',
    run: deploy,
  },
]

/** An attempt is in the log this soon after its answer, on a machine that has other things to do. */
const logWithinMs = 5000

/** A repeat needs an attempt that a process made and did not live to log; all others would be unexplained. */
export function unloggedOnly({ repeats }: Figures): Ran['allowed'] {
  const why = `attempts that a killed process had made and not logged: at most ${repeats.mostAtOnce} at one kill, the oldest ${Math.round(repeats.longestBeforeFaultMs)} ms before it`
  return { repeats: repeats.longestBeforeFaultMs <= logWithinMs ? repeats.unlogged : 0, why }
}

function kill(ground: Ground): Promise<Ran> {
  return killAtRandom(ground, { processes: 3, perSecond: 250 }, ground.short ? 6 : 200)
}

/** Kills processes at random, one in twenty times all of them; each is replaced at once. */
export async function killAtRandom(
  ground: Ground,
  options: WorldOptions,
  kills: number,
  allowed = unloggedOnly,
): Promise<Ran> {
  await using world = await World.open(ground, options)
  const { crew } = world
  for (let turn = 1, done = 0; done < kills; turn++) {
    await sleep(between(300, 1300))
    // Sometimes one that is only starting: dead before it was ready.
    const victims = turn % 20 === 0 ? [...crew.members] : pick(crew.members)
    await world.fault('kill -9', () => Promise.all(victims.map(victim => crew.end(victim, 'SIGKILL'))))
    for (const { start } of victims) crew.launch(start)
    done += victims.length
    while (crew.urls().length === 0) await sleep(50)
    if (turn % 20 === 0) ground.say(`${done} kills, ${world.load.accepted.length} accepted`)
  }
  await Promise.all(crew.members.map(({ settled }) => settled))
  await sleep(1000)
  return await world.finish(30_000, allowed)
}

function pick(members: readonly Member[]): readonly Member[] {
  const victim = members[Math.floor(Math.random() * members.length)]
  return victim ? [victim] : []
}

async function zombie(ground: Ground): Promise<Ran> {
  // A slow receiver, so that there is something in the hands of whoever is stopped.
  const treat = () => ({ kind: 'ok', delayMs: between(200, 600) }) as const
  await using world = await World.open(ground, { processes: 3, perSecond: 120, treat })
  const { crew } = world
  const notes: string[] = []
  let held = 0
  for (let round = 0; round < (ground.short ? 1 : 4); round++) {
    await sleep(2000)
    const victim = crew.members[0]
    if (victim === undefined) throw new Error('there is no process')
    await world.fault('SIGSTOP', async () => {
      victim.child.kill('SIGSTOP')
      await sleep(200) // what it had sent to PostgreSQL is done by now
      const holdings = await heldBy(world, victim)
      held += holdings
      const { url } = victim
      victim.url = undefined // the senders would wait for it
      const buried = await untilBuried(world, victim)
      notes.push(`stopped with ${holdings} deliveries in its hands, buried after ${seconds(buried)}`)
      ground.say(notes.at(-1) ?? '')
      await sleep(1000)
      victim.child.kill('SIGCONT')
      victim.url = url
    })
    await sleep(3000)
  }
  const ran = await world.finish(30_000, () => ({
    repeats: held,
    why: `what stopped processes had in their hands (${held}): others delivered it, and they did so again when they woke`,
  }))
  const woken = crew.members.filter(({ output }) => output.includes('declared dead')).length
  const problems =
    woken > 0 ? ran.problems : [...ran.problems, 'no process noticed that it had been declared dead']
  return { ...ran, notes: [...ran.notes, ...notes], problems }
}

/** How many owed rows a process holds: born leased, or of lanes that it has leased. */
async function heldBy(world: World, { child }: Member): Promise<number> {
  const [row] = await world.query<{ held: number }>(
    `select count(*)::int as held from owed o join processes p on p.pid = $1
     left join lanes l on l.subscription_id = o.subscription_id
     where o.owner = p.id or (o.owner is null and l.owner = p.id)`,
    [child.pid],
  )
  return row?.held ?? 0
}

/** @returns how long it took the others, in milliseconds */
async function untilBuried(world: World, { child }: Member): Promise<number> {
  const from = performance.now()
  for (;;) {
    const rows = await world.query('select from processes where pid = $1', [child.pid])
    const took = performance.now() - from
    if (rows.length === 0) return took
    if (took > 30_000) throw new Error('the stopped process was not buried within 30 s')
    await sleep(100)
  }
}

async function deploy(ground: Ground): Promise<Ran> {
  await using world = await World.open(ground, { processes: 3, perSecond: 250 })
  const { crew } = world
  const ends: (number | string)[] = []
  for (let round = 0; round < (ground.short ? 1 : 5); round++) {
    for (const member of [...crew.members]) {
      await sleep(500)
      await world.fault('SIGTERM', async () => {
        const ended = crew.end(member, 'SIGTERM')
        await crew.start()
        ends.push(await ended)
      })
    }
    ground.say(`round ${round + 1}: all replaced, ${world.load.accepted.length} accepted`)
  }
  await sleep(1000)
  const ran = await world.finish(30_000, () => ({
    repeats: 0,
    why: 'none: a process that leaves finishes what it has begun',
  }))
  const bad = ends.filter(code => code !== 0)
  const problems = bad.length > 0 ? [`processes ended with ${bad.join(', ')}`] : []
  return { ...ran, problems: [...ran.problems, ...problems] }
}
