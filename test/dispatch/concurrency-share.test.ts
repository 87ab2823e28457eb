import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Position } from '../../src/cluster/membership.ts'
import { ConcurrencyShare, isLaneOnly, shareOf } from '../../src/dispatch/concurrency-share.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { openRedis, type RedisLink } from '../../src/platform/redis.ts'
import { atLength } from '../support/length.ts'
import { aMember } from '../support/member.ts'
import { type TestRedis, testRedis } from '../support/redis.ts'
import { eventually } from '../support/service.ts'
import { aSubscription } from '../support/subscription.ts'
import { someTroubles } from '../support/troubles.ts'

const attemptMs = 150
const marginMs = 200
const to = aSubscription({ id: 7, maxInFlight: 10, timeoutMs: attemptMs })
const clock = systemClock()

interface Pace {
  readonly loanMs: number
  /** How long an attempt takes. */
  readonly tookMs: () => number
}

/** The attempts of all processes to one receiver, counted where they begin. */
class Receiver {
  inFlight = 0
  most = 0

  begin(): void {
    this.most = Math.max(this.most, ++this.inFlight)
  }
}

/** A process that delivers: as many attempts at a time as it is allowed, while it has something to send. */
class Process {
  readonly share: ConcurrencyShare
  readonly #receiver: Receiver
  inFlight = 0
  waiting = 0
  readonly #pace: Pace

  constructor(receiver: Receiver, position: Position, link?: RedisLink, pace: Partial<Pace> = {}) {
    this.#receiver = receiver
    this.#pace = { loanMs: 500, tookMs: () => attemptMs * Math.random(), ...pace }
    this.share = new ConcurrencyShare({
      clock,
      membership: aMember({ position }),
      subscription: () => to,
      inFlight: () => this.inFlight,
      mayHaveMore: () => this.#pump(),
      link,
      loanMs: this.#pace.loanMs,
      marginMs,
    })
  }

  send(count: number): void {
    this.waiting += count
    this.#pump()
  }

  #pump(): void {
    for (; this.waiting > 0; this.waiting--) {
      if (this.inFlight >= this.share.cap(to)) {
        this.share.ask(to)
        return
      }
      this.inFlight++
      this.#receiver.begin()
      setTimeout(() => {
        this.inFlight--
        this.#receiver.inFlight--
        this.#pump()
      }, this.#pace.tookMs())
    }
  }
}

interface World {
  readonly redis: TestRedis
  readonly links: readonly RedisLink[]
  readonly receiver: Receiver
  readonly processes: readonly Process[]
}

/** Some processes that share a Redis, which all of them use. */
async function world(t: TestContext, count: number, pace: Partial<Pace> = {}): Promise<World | undefined> {
  const redis = await testRedis(t)
  if (!redis) return undefined
  const receiver = new Receiver()
  const open = () =>
    openRedis({
      url: redis.url,
      prefix: 'test',
      logger: silentLogger(),
      troubles: someTroubles(),
      commandTimeoutMs: 300,
    })
  const links = Array.from({ length: count }, open)
  const processes = links.map((link, index) => new Process(receiver, { count, index }, link, pace))
  t.after(async () => {
    for (const process of processes) {
      process.waiting = 0
      process.share.close()
    }
    await Promise.all(links.map(link => link.close()))
    await redis[Symbol.asyncDispose]()
  })
  await until(() => links.every(link => link.isUsable))
  await until(async () => (await redis.command('PUBSUB', 'NUMSUB', 'test:concurrency')).endsWith(`:${count}`))
  return { redis, links, receiver, processes }
}

const until = (isSo: () => boolean | Promise<boolean>) =>
  eventually(
    async () => isSo(),
    so => so,
  )

function at<T>(list: readonly T[], index: number): T {
  const item = list[index]
  assert.ok(item !== undefined)
  return item
}

test('the shares of all processes are the whole, and each has at least one', () => {
  for (const max of [1, 2, 3, 7, 10, 100]) {
    for (let count = 1; count <= max; count++) {
      const shares = Array.from({ length: count }, (_, rank) => shareOf(max, count, rank))
      assert.equal(
        shares.reduce((sum, share) => sum + share),
        max,
      )
      assert.ok(Math.min(...shares) >= 1)
    }
  }
})

test('with fewer slots than processes, all deliveries go through the lane, whose holder has every slot', () => {
  const narrow = aSubscription({ maxInFlight: 2 })
  assert.equal(isLaneOnly(narrow, 2), false)
  assert.equal(isLaneOnly(narrow, 3), true)
  assert.equal(isLaneOnly(aSubscription({ ordered: true }), 2), true)
  assert.equal(isLaneOnly(aSubscription({ rateLimit: { requests: 1, perSeconds: 1 } }), 2), true)
  const { share } = new Process(new Receiver(), { count: 3, index: 0 })
  assert.equal(share.cap(narrow), 2)
})

test('a process that delivers alone has every slot, and one without Redis its share', () => {
  assert.equal(new Process(new Receiver(), { count: 1, index: 0 }).share.cap(to), 10)
  assert.equal(new Process(new Receiver(), { count: 3, index: 0 }).share.cap(to), 4)
  assert.equal(new Process(new Receiver(), { count: 3, index: 2 }).share.cap(to), 3)
})

test('one busy process has the slots of the idle ones, all but one each, for as long as it needs them', async t => {
  // A loan is renewed when half of its time is over, so a second of silence is no harm.
  const w = await world(t, 3, { loanMs: 2000 })
  if (!w) return
  const busy = at(w.processes, 0)
  busy.send(1_000_000)
  await until(() => busy.inFlight === 8)
  const from = clock.now()
  let least = 8
  await until(() => {
    least = Math.min(least, busy.share.cap(to))
    return clock.now() - from > 3000 // without renewal it would be over
  })
  assert.equal(least, 8)
  busy.waiting = 0
  const other = at(w.processes, 1)
  await until(() => busy.share.cap(to) === 4 && other.share.cap(to) === 3) // given back
  assert.equal(w.receiver.most, 8)
})

test('of two busy processes each has half, whoever came first', async t => {
  const w = await world(t, 2, { loanMs: 60_000 })
  if (!w) return
  const [first, second] = [at(w.processes, 0), at(w.processes, 1)]
  first.send(1_000_000)
  await until(() => first.inFlight === 9)
  second.send(1_000_000)
  assert.equal(second.inFlight, 1) // its first attempt waits for nobody
  await until(() => first.inFlight === 5 && second.inFlight === 5)
  assert.ok(w.receiver.most <= 10)
})

test('what a dead process has borrowed comes back', async t => {
  const w = await world(t, 2)
  if (!w) return
  const [dead, alive] = [at(w.processes, 0), at(w.processes, 1)]
  dead.send(1_000_000)
  await until(() => dead.inFlight === 9)
  dead.waiting = 0
  dead.share.close()
  await at(w.links, 0).close()
  assert.equal(alive.share.cap(to), 1)
  await until(() => alive.share.cap(to) === 5)
  assert.equal(dead.inFlight, 0) // not before all that was started on the loan has ended
})

test('without Redis each is back to its share', async t => {
  // Not a whole number of them fits into the time of a loan.
  const w = await world(t, 2, { tookMs: () => attemptMs - 10 })
  if (!w) return
  const [busy, idle] = [at(w.processes, 0), at(w.processes, 1)]
  busy.send(1_000_000)
  await until(() => busy.inFlight === 9)
  await w.redis.kill()
  idle.send(1_000_000) // waits for the end of what it has lent, and of all that was started on it
  await until(() => busy.inFlight === 5 && idle.inFlight === 5)
  idle.waiting = 0
  await w.redis.start()
  await until(() => busy.inFlight === 9)
  assert.ok(w.receiver.most <= 10)
})

test('whatever happens to Redis, all together never have more in flight than the subscription may', async t => {
  const w = await world(t, 4, { tookMs: () => attemptMs * (Math.random() < 0.5 ? 1 : Math.random()) })
  if (!w) return
  const { redis, receiver, processes } = w
  const [busy] = processes
  assert.ok(busy)
  busy.send(300)
  await eventually(
    () => busy.inFlight,
    inFlight => inFlight > 3,
  ) // slots are lent
  const demand = setInterval(() => {
    for (const process of processes) process.waiting = 0
    for (const process of processes) if (Math.random() < 0.5) process.send(Math.ceil(300 * Math.random()))
  }, 60)
  t.after(() => clearInterval(demand))
  const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
  for (let round = 0; round < atLength(2, 1); round++) {
    await pause(1200) // the time itself: Redis goes and comes while slots are lent
    await redis.command('FLUSHALL')
    await pause(600) // the time itself
    redis.freeze()
    await pause(900) // the time itself
    redis.resume()
    await pause(1200) // the time itself
    await redis.kill()
    await pause(400) // the time itself
    await redis.start()
  }
  assert.equal(receiver.most, 10)
})
