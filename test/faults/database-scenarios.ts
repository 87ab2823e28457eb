import { setTimeout as sleep } from 'node:timers/promises'
import { CuttingProxy } from './cutting-proxy.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { between, World } from './world.ts'

/** What happens to PostgreSQL, and on the way to it. */
export const databaseScenarios: readonly Scenario[] = [
  {
    name: 'database-restart',
    title: 'PostgreSQL is restarted (fast shutdown)',
    isLong: true,
    run: ground =>
      broken(ground, 'restart', async ({ postgres }) => {
        await postgres.stop()
        await sleep(between(0, 1000))
        await postgres.start()
      }),
  },
  {
    name: 'database-kill',
    title: 'PostgreSQL is killed (`kill -9` of all its processes) and recovers from its log',
    run: ground =>
      broken(ground, 'kill -9', async ({ postgres }) => {
        await postgres.kill()
        await postgres.start()
      }),
  },
  {
    name: 'database-freeze',
    title: 'PostgreSQL is frozen (`SIGSTOP` of all its processes) for a while, and goes on',
    isLong: true,
    run: ground =>
      broken(ground, 'freeze', async ({ postgres }) => {
        await postgres.freeze()
        await sleep(ground.short ? 6000 : 15_000)
        await postgres.thaw()
      }),
  },
  {
    name: 'cut',
    title:
      'connections to PostgreSQL are cut after random numbers of bytes; half of them after the server has done what it was asked, before its answer is heard',
    run: cut,
  },
]

async function broken(ground: Ground, what: string, fault: (world: World) => Promise<void>): Promise<Ran> {
  await using world = await World.open(ground, { processes: 2, perSecond: 200 })
  for (let round = 0; round < (ground.short ? 1 : what === 'freeze' ? 3 : 6); round++) {
    await sleep(between(1500, 2500))
    await world.fault(what, () => fault(world))
    // Until it delivers again, and a while.
    await sleep(ground.short ? 2000 : 4000)
    ground.say(`${what} ${round + 1}, ${world.load.accepted.length} accepted`)
  }
  return await world.finish(30_000, () => ({
    repeats: 0,
    why: 'none: what receivers have answered is kept until it can be written',
  }))
}

async function cut(ground: Ground): Promise<Ran> {
  let proxy: CuttingProxy | undefined
  await using world = await World.open(ground, {
    processes: 2,
    perSecond: 200,
    async portFor({ port }) {
      // From within the first statement of a connection to some hundreds of them.
      proxy = new CuttingProxy(port, () => Math.floor(500 * 200 ** Math.random()))
      return proxy.listen()
    },
  })
  const { cuts, swallowed } = await (async () => {
    if (proxy === undefined) throw new Error('there is no proxy')
    await sleep(1000)
    await world.fault('connections cut', async () => {
      proxy?.begin()
      await sleep(ground.short ? 5000 : 60_000)
      proxy?.end()
    })
    await sleep(2000)
    return proxy
  })()
  const ran = await world.finish(30_000, () => ({
    repeats: 0,
    why: 'none: a settlement whose commit was not heard of is found written when it is written again',
  }))
  await world.crew.close('SIGKILL')
  await proxy?.close()
  const count = `${cuts} connections cut within a message, ${swallowed} after the commit and before its answer`
  const problems = cuts === 0 || swallowed === 0 ? [`too little was cut: ${count}`] : []
  return { ...ran, notes: [...ran.notes, count], problems: [...ran.problems, ...problems] }
}
