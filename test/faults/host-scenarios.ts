import { setTimeout as sleep } from 'node:timers/promises'
import { longestRetryMs, withRetries } from './clock-scenarios.ts'
import { repeated } from './figures.ts'
import { type Host, Hosts, processOn } from './hosts.ts'
import type { NetworkLink, Trouble } from './network-link.ts'
import { mostlyWell, type Treatment } from './receiver.ts'
import { withRedis } from './role-scenarios.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { untilSettled, untilTakenOver } from './takeover.ts'
import { between, seconds, World } from './world.ts'

/** What happens between hosts: each has a name, clocks and ways to the servers of its own. */
export const hostScenarios: readonly Scenario[] = [
  {
    name: 'hosts-cut-off',
    title:
      'of three hosts one does not reach PostgreSQL until the others have declared it dead; what it had sent arrives when it is back',
    run: ground => cutOff(ground, [{}, {}, {}], cutOffRounds(ground, 4)),
  },
  {
    name: 'hosts-blink',
    title: 'of three hosts one does not reach PostgreSQL, for less time than it takes to declare it dead',
    isLong: true,
    run: blink,
  },
  {
    name: 'hosts-line',
    title: 'all ways between three hosts and their servers are slow and lose packets',
    isLong: true,
    run: ground => withRedis(({ port }) => slowLines(ground, port)),
  },
  {
    name: 'hosts-redis',
    title:
      'of three hosts (one accepts, two deliver) one does not reach Redis, or is not reached from there, or is refused',
    isLong: true,
    run: ground => withRedis(({ port }) => redisTroubles(ground, port)),
  },
  {
    name: 'hosts-roles',
    title: 'hosts that accept and hosts that deliver do not reach PostgreSQL, and Redis goes on between them',
    isLong: true,
    run: ground =>
      withRedis(({ port }) => cutOff(ground, [api, api, worker, worker], cutOffRounds(ground, 8), port)),
  },
  {
    name: 'hosts-clocks',
    title:
      'the wall clocks of three hosts are an hour and a day apart, their monotonic clocks differ by a tenth; one is killed, one is cut off',
    isLong: true,
    run: clocks,
  },
]

const api = { args: ['--role', 'api'] }
const worker = { args: ['--role', 'worker'] }

/** How a host is cut off, and how that ends. */
interface Cut {
  readonly what: string
  readonly trouble: Trouble
  /** Its connections are reset at the end, and what was sent over them is lost; else it arrives then. */
  readonly endsWithReset?: true
}

const cuts: readonly Cut[] = [
  {
    what: 'nothing is heard of it, and arrives late',
    trouble: { kind: 'silent', directions: ['there'] },
  },
  {
    what: 'it hears nothing, and all arrives late',
    trouble: { kind: 'silent', directions: ['back'] },
  },
  {
    what: 'nothing passes either way, and is lost',
    trouble: { kind: 'silent', directions: ['there', 'back'] },
    endsWithReset: true,
  },
  { what: 'its connections are refused', trouble: { kind: 'refusing' } },
]

function cutOffRounds({ short }: Ground, rounds: number): number {
  return short ? 1 : rounds
}

const quick = mostlyWell(0.05)
/** Slow enough that a host holds more than it can deliver before it is not sure of itself any more. */
const slow = (): Treatment => ({ kind: 'ok', delayMs: between(2500, 3500) })

/** What rounds of one scenario came to. */
interface Rounds {
  readonly notes: string[]
  readonly problems: string[]
  /** Deliveries that the others had to repeat. */
  readonly explained: Set<string>
  /** Deliveries that a host held when it was lost, and had not made. */
  spared: number
}

async function cutOff(
  ground: Ground,
  options: ConstructorParameters<typeof Hosts>[0],
  rounds: number,
  redisPort?: number,
): Promise<Ran> {
  await using hosts = new Hosts(options, redisPort)
  await using world = await World.open(ground, {
    processes: server => hosts.starts(server),
    perSecond: 200,
    treat: quick,
  })
  const came: Rounds = { notes: [], problems: [], explained: new Set(), spared: 0 }
  for (let round = 0; round < rounds; round++) {
    // All ways in turn; where there are as many hosts, another one for each of them in the next turn.
    const cut = cuts[(round + Math.floor(round / cuts.length)) % cuts.length]
    if (cut) await loseOnce(ground, world, hosts.inTurn(round), fromDatabase(cut), came)
  }
  if (came.spared === 0)
    came.problems.push('no host was lost with anything in its hands that it had not sent')
  return await finish(world, came)
}

/** How a host is lost to the others, and comes back. */
interface Loss {
  readonly what: string
  readonly begin: (world: World, host: Host) => unknown
  readonly end: (world: World, host: Host) => unknown
}

function fromDatabase(cut: Cut): Loss {
  return {
    what: cut.what,
    begin: (_, { database }) => {
      database.trouble = cut.trouble
    },
    end: (_, { database }) => endOf(database, cut),
  }
}

const killed: Loss = {
  what: 'its process is killed, and another one started when the others have taken over',
  begin: (world, host) => world.crew.end(processOn(world, host), 'SIGKILL'),
  end: ({ crew }, { start }) => crew.start(start),
}

/** Until the others have declared it dead, and have delivered what it held, and it is back. */
async function loseOnce(ground: Ground, world: World, host: Host, loss: Loss, came: Rounds): Promise<void> {
  const { receiver, load } = world
  const member = processOn(world, host)
  await sleep(2000)
  // The receiver is slow until the others have taken over, so that the host has attempts in flight, and holds more.
  receiver.treat = slow
  await sleep(4000)
  const acceptedBefore = load.accepted.length
  const fault = await world.fault(`${host.name} lost`, async () => {
    const from = performance.now()
    await loss.begin(world, host)
    const { afterMs, held, delivered } = await untilTakenOver(world, member, from)
    receiver.treat = quick
    for (const id of delivered) came.explained.add(id)
    came.spared += held.length - delivered.length
    await untilSettled(world, held)
    came.notes.push(
      `${host.name}: ${loss.what}. Declared dead after ${seconds(afterMs)}; it held ${held.length} deliveries, and had delivered ${delivered.length} of them. The others had delivered all of them after ${seconds(performance.now() - from)}, and accepted ${load.accepted.length - acceptedBefore} meanwhile`,
    )
    await loss.end(world, host)
  })
  await untilBack(world, host, fault.until, came)
  ground.say(came.notes.slice(-2).join('; '))
}

function endOf(link: NetworkLink, { endsWithReset }: Cut): void {
  if (endsWithReset) link.reset()
  link.trouble = { kind: 'none' }
}

/** It is a process again, under a new id, and accepts events if that is its role. */
async function untilBack(world: World, host: Host, from: number, { notes }: Rounds): Promise<void> {
  const { child, url: ownUrl } = processOn(world, host)
  const accepts = !host.start.args?.includes('worker')
  const isBack = async () => {
    const rows = await world.query('select from processes where pid = $1', [child.pid])
    const accepted = world.load.accepted.some(({ url, at }) => at > from && url === ownUrl)
    return rows.length > 0 && (accepted || !accepts)
  }
  for (const end = from + 30_000; !(await isBack()); await sleep(50))
    if (performance.now() > end) throw new Error(`${host.name} did not come back by itself within 30 s`)
  notes.push(`${host.name} was back ${seconds(performance.now() - from)} after that`)
}

/** All repeats are of what a host had delivered and could not log, once for each. */
async function finish(world: World, { notes, problems, explained }: Rounds): Promise<Ran> {
  await sleep(1000)
  const ran = await world.finish(30_000, () => ({
    repeats: explained.size,
    why:
      explained.size === 0
        ? 'none'
        : `deliveries that a host had made, and could not log before it was declared dead (${explained.size})`,
  }))
  const unexplained = repeated(world.receiver.records).filter(id => !explained.has(id))
  const more =
    unexplained.length === 0
      ? []
      : [`${unexplained.length} repeats are of no host that was cut off, such as ${unexplained[0]}`]
  return { ...ran, notes: [...ran.notes, ...notes], problems: [...ran.problems, ...problems, ...more] }
}

async function blink(ground: Ground): Promise<Ran> {
  await using hosts = new Hosts([{}, {}, {}])
  await using world = await World.open(ground, { processes: server => hosts.starts(server), perSecond: 200 })
  const came: Rounds = { notes: [], problems: [], explained: new Set(), spared: 0 }
  for (let round = 0; round < (ground.short ? 2 : 12); round++) {
    const host = hosts.inTurn(round)
    const cut = cuts[round % cuts.length]
    await sleep(between(1000, 2000))
    await world.fault(`${host.name} cut off`, async () => {
      if (!cut) return
      host.database.trouble = cut.trouble
      await sleep(between(200, 5000)) // with the way back to PostgreSQL, less than the 8 s in which a host is sure of itself
      endOf(host.database, cut)
    })
    await sleep(2000)
    ground.say(`round ${round + 1}, ${world.load.accepted.length} accepted`)
  }
  came.problems.push(...declaredDead(world))
  return await finish(world, came)
}

/** What processes say who were declared dead though they live, or have declared another one dead. */
function declaredDead({ crew }: World): readonly string[] {
  return crew.members
    .filter(({ output }) => /declared dead|a process has died/.test(output))
    .map(({ child, start }) => `${start.env?.FAULTS_HOST} (process ${child.pid}) has heard of a death`)
}

/** On an ordinary day such a network would be called broken; each host has its own. */
const lines: readonly Trouble[] = [
  { kind: 'slow', delayMs: () => between(1, 5), lossShare: 0.002 },
  { kind: 'slow', delayMs: () => between(10, 40), lossShare: 0.01 },
  { kind: 'slow', delayMs: () => between(20, 150), lossShare: 0.02 },
]

async function slowLines(ground: Ground, redisPort: number): Promise<Ran> {
  await using hosts = new Hosts([api, worker, {}], redisPort)
  await using world = await World.open(ground, { processes: server => hosts.starts(server), perSecond: 100 })
  const came: Rounds = { notes: [], problems: [], explained: new Set(), spared: 0 }
  await sleep(1000)
  await world.fault('slow lines', async () => {
    for (const [index, host] of hosts.all.entries()) troubleAll(host, lines[index] ?? { kind: 'none' })
    await sleep(ground.short ? 5000 : 60_000)
    for (const host of hosts.all) troubleAll(host, { kind: 'none' })
  })
  came.problems.push(...declaredDead(world))
  came.notes.push(latest(world))
  return await finish(world, came)
}

function troubleAll({ database, redis }: Host, trouble: Trouble): void {
  database.trouble = trouble
  if (redis) redis.trouble = trouble
}

/** A message that got lost is looked for when it is 3 to 5.5 s old; the rest is what a busy machine adds. */
const latestMs = 15_000

async function redisTroubles(ground: Ground, redisPort: number): Promise<Ran> {
  await using hosts = new Hosts([api, worker, worker], redisPort)
  await using world = await World.open(ground, { processes: server => hosts.starts(server), perSecond: 200 })
  const came: Rounds = { notes: [], problems: [], explained: new Set(), spared: 0 }
  // It hears nothing and is heard at first: others still choose it, and it does not get what they send.
  const rounds = [1, 2, 3, 0, 0, 1, 2, 3].slice(0, ground.short ? 1 : 8)
  for (const [round, kind] of rounds.entries()) {
    const [host, cut] = [hosts.inTurn(round + 1), cuts[kind]]
    await sleep(2000)
    await world.fault(`${host.name} without Redis`, async () => {
      if (!cut || !host.redis) return
      host.redis.trouble = cut.trouble
      await sleep(ground.short ? 4000 : 12_000)
      endOf(host.redis, cut)
    })
    await sleep(2000)
    ground.say(`${host.name}: ${cut?.what}, ${world.load.accepted.length} accepted`)
  }
  came.problems.push(...declaredDead(world))
  const ran = await finish(world, came)
  const late = latenessMs(world)
  const problems = late > latestMs ? [`a delivery came ${seconds(late)} after its event was accepted`] : []
  return { ...ran, notes: [...ran.notes, latest(world)], problems: [...ran.problems, ...problems] }
}

function latest(world: World): string {
  return `no first attempt came later than ${seconds(latenessMs(world))} after its event was accepted`
}

/** From the 202 of an event to its first attempt, at most. */
function latenessMs({ load, receiver }: World): number {
  return load.accepted.reduce((most, { webhookId, at }) => {
    const first = receiver.records.get(webhookId)?.arrivals[0]
    return first === undefined ? most : Math.max(most, first.at - at)
  }, 0)
}

const hourMs = 3_600_000

async function clocks(ground: Ground): Promise<Ran> {
  await using hosts = new Hosts([
    { wallClockMs: hourMs, clockRate: 1.05 },
    { wallClockMs: -24 * hourMs, clockRate: 0.95 },
    {},
  ])
  await using world = await World.open(ground, {
    processes: server => hosts.starts(server),
    perSecond: 200,
    treat: quick,
  })
  const came: Rounds = { notes: [], problems: [], explained: new Set(), spared: 0 }
  await sleep(ground.short ? 3000 : 15_000)
  came.problems.push(...declaredDead(world))
  const longest = longestRetryMs(world.receiver.records)
  // By the fast clock the slow host is silent sooner, and by its own clock it is sure of itself for longer.
  if (cuts[0]) await loseOnce(ground, world, hosts.inTurn(1), fromDatabase(cuts[0]), came)
  await loseOnce(ground, world, hosts.inTurn(0), killed, came)
  return withRetries(await finish(world, came), longest)
}
