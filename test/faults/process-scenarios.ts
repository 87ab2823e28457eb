import { setTimeout as sleep } from 'node:timers/promises'
import type { Member } from './crew.ts'
import type { Figures } from './figures.ts'
import type { Load, Refusal } from './load.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { heldBy, untilDeclaredDead, untilSettled } from './takeover.ts'
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

/**
 * An attempt is in the log this soon after its answer, and the receiver has read what was sent to it, on a machine that
 * has other things to do.
 */
const logWithinMs = 5000

/** A repeat is explained by an attempt that a process made, and died before it was in the log. */
export function unloggedOnly({ repeats }: Figures): Ran['allowed'] {
  const why = `attempts that a killed process had made and not logged: at most ${repeats.mostAtOnce} at one kill, the farthest ${Math.round(repeats.farthestFromFaultMs)} ms from it`
  return { repeats: repeats.farthestFromFaultMs <= logWithinMs ? repeats.unlogged : 0, why }
}

function kill(ground: Ground): Promise<Ran> {
  return killAtRandom(ground, { processes: 3, perSecond: 250 }, ground.short ? 6 : 200)
}

/** Kills processes at random, one in twenty times all of them; each is replaced at once. */
export async function killAtRandom(ground: Ground, options: WorldOptions, kills: number): Promise<Ran> {
  await using world = await World.open(ground, options)
  const { crew } = world
  for (let turn = 1, done = 0; done < kills; turn++) {
    await sleep(between(300, 1300))
    // Sometimes a process that is still starting.
    const victims = turn % 20 === 0 ? [...crew.members] : pick(crew.members)
    await world.fault('kill -9', () => Promise.all(victims.map(victim => crew.end(victim, 'SIGKILL'))))
    for (const { start } of victims) crew.launch(start)
    done += victims.length
    while (crew.urls().length === 0) await sleep(50)
    if (turn % 20 === 0) ground.say(`${done} kills, ${world.load.accepted.length} accepted`)
  }
  await Promise.all(crew.members.map(({ settled }) => settled))
  await sleep(1000)
  return await world.finish(30_000, unloggedOnly)
}

function pick(members: readonly Member[]): readonly Member[] {
  const victim = members[Math.floor(Math.random() * members.length)]
  return victim ? [victim] : []
}

/** Well before others declare a silent process dead, which they do 8 s after it was stopped, or later. */
const readWithinMs = 5000

async function zombie(ground: Ground): Promise<Ran> {
  const quick = () => ({ kind: 'ok', delayMs: between(0, 20) }) as const
  await using world = await World.open(ground, { processes: 3, perSecond: 200, treat: quick })
  const { crew, receiver } = world
  const notes: string[] = []
  let held = 0
  let begun = 0
  const wakings: number[] = []
  for (let round = 0; round < (ground.short ? 1 : 4); round++) {
    await sleep(2000)
    const victim = crew.members[0]
    if (victim === undefined) throw new Error('there is no process')
    // The receiver is slow for a moment, so that the stopped process has attempts in flight, and holds more deliveries.
    receiver.treat = () => ({ kind: 'ok', delayMs: between(1500, 2500) })
    await sleep(1500)
    await world.fault('SIGSTOP', async () => {
      victim.child.kill('SIGSTOP')
      const stoppedAt = performance.now()
      receiver.treat = quick
      await sleep(200) // what it had sent to PostgreSQL is done by now
      const holdings = await heldBy(world, victim)
      const { url } = victim
      victim.url = undefined // the senders would wait for it
      // What it had sent is in the receiver's sockets, and read when that comes to it; nobody else sends it so soon.
      await sleep(readWithinMs)
      const underWay = holdings.filter(id => receiver.records.has(id))
      held += holdings.length
      begun += underWay.length
      const declaredDead = await untilDeclaredDead(world, victim, stoppedAt)
      notes.push(
        `stopped while it held ${holdings.length} deliveries, ${underWay.length} of them begun; declared dead after ${seconds(declaredDead)}`,
      )
      ground.say(notes.at(-1) ?? '')
      await untilSettled(world, holdings)
      victim.child.kill('SIGCONT')
      wakings.push(performance.now())
      victim.url = url
    })
    await sleep(3000)
  }
  const ran = await world.finish(30_000, () => ({
    repeats: begun,
    why: `attempts that stopped processes had in flight (${begun}): the others made them again. What else they held (${held - begun}) was delivered by the others alone`,
  }))
  const problems = [...ran.problems]
  const woken = crew.members.filter(({ output }) => output.includes('declared dead')).length
  if (woken === 0) problems.push('no process noticed that it had been declared dead')
  if (held === begun) problems.push('no process was stopped with anything in its hands that it had not begun')
  const late = sentAfterWaking(world, wakings)
  if (late > 0) problems.push(`${late} deliveries were sent by processes that had lost them while they slept`)
  return { ...ran, notes: [...ran.notes, ...notes], problems }
}

/** Deliveries that came again within three seconds after a process was woken. */
function sentAfterWaking({ receiver }: World, wakings: readonly number[]): number {
  const arrivals = [...receiver.records.values()].flatMap(record => record.arrivals.slice(1))
  return arrivals.filter(({ at }) => wakings.some(woken => at > woken && at < woken + 3000)).length
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
  const ran = await world.finish(30_000, () => unfinished(crew.everyone))
  const bad = ends.filter(code => code !== 0)
  const problems = bad.length > 0 ? [`processes ended with ${bad.join(', ')}`] : []
  const { lost } = ran.figures
  if (lost > 0) problems.push(`${lost} requests were not answered`)
  const refusals = Map.groupBy(world.load.refusals, refusal =>
    refusal.code !== 'shutting_down' && stoodStill(world.load, refusal) ? 'by standstill' : 'by deploy',
  )
  const described = (why: 'by standstill' | 'by deploy') =>
    (refusals.get(why) ?? []).slice(0, 20).map(refusal => describe(refusal, crew.everyone))
  const notes = described('by standstill').map(text => `while nothing was accepted anywhere, ${text}`)
  problems.push(...described('by deploy'))
  return { ...ran, notes: [...ran.notes, ...notes], problems: [...ran.problems, ...problems] }
}

/** The default of SHUTDOWN_TIMEOUT_MS, and how long before its end the first attempt is given up. */
const stopMs = { whole: 10_000, cutOff: 4000 } as const

/**
 * A process that leaves finishes what it has begun, in the time that it has. One that the machine gave no processor for
 * seconds, or no commit, says how many attempts it could not finish; each of them may be repeated once.
 */
function unfinished(everyone: readonly Member[]): Ran['allowed'] {
  const late = everyone.filter(
    ({ endAt = 0, endedAt = 0 }) => endedAt - endAt >= stopMs.whole - stopMs.cutOff,
  )
  const counts = late.flatMap(({ output }) =>
    [...output.matchAll(/"(?:cut_off|unwritten)":(\d+)/g)].map(([, count]) => Number(count)),
  )
  const repeats = counts.reduce((sum, count) => sum + count, 0)
  if (repeats === 0) return { repeats, why: 'none: a process that leaves finishes what it has begun' }
  const why = `attempts that ${late.length} processes could not finish, or write down, in the time that a stop has (${repeats}): the machine gave them no processor, or no commit`
  return { repeats, why }
}

/**
 * Whether no process accepted anything for half a second just before an event was refused, or around it: then the machine
 * stood still, or the disk. Of 125 events a second and more, one is accepted every 8 ms.
 */
function stoodStill({ accepted }: Load, { at }: Refusal): boolean {
  const gapMs = 500
  const near = accepted.map(one => one.at).filter(moment => Math.abs(moment - at) < 10_000)
  const moments = [at - 10_000, ...near.sort((a, b) => a - b), at + 10_000]
  return moments.some((moment, index) => {
    const next = moments[index + 1] ?? moment
    return next - moment >= gapMs && moment < at && at < next + gapMs
  })
}

/** Which process refused an event, when, and why. */
function describe({ code, detail, url, sentAt, at }: Refusal, everyone: readonly Member[]): string {
  const member = everyone.find(({ url: its }) => its === url)
  const since = (moment = Number.NaN) => `${Math.round(at - moment)} ms`
  const leaving =
    member?.endAt === undefined || member.endAt > at ? '' : `, ${since(member.endAt)} after SIGTERM`
  return `an event was refused after ${since(sentAt)} by a process ${since(member?.readyAt)} after it was ready${leaving}: ${code}: ${detail}`
}
