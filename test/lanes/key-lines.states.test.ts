import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { insertEvents } from '../../src/ingest/store.ts'
import { endRows } from '../../src/lanes/end-owed-store.ts'
import { Lanes } from '../../src/lanes/lanes.ts'
import { repair } from '../../src/lanes/repair.ts'
import { recordAttempts, recordFinalAttempts } from '../../src/log/store.ts'
import type { Delivery } from '../../src/model/delivery.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { parseOrderingKey } from '../../src/subscriptions/ordering-key.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { atLength } from '../support/length.ts'
import { aMember } from '../support/member.ts'
import { recoverAll } from '../support/recover.ts'
import { aLane, allOwed, anEvent, emptyAll } from '../support/rows.ts'
import { aSubscription } from '../support/subscription.ts'

// The promise of `ordering_key` on a real PostgreSQL, against the simplest model there is: a list for each key. Whatever is
// sent is the first of its list, and nothing else of that key is under way in the process that has the lane. A longer run:
//   TEST_LENGTH=long npm test -- test/lanes/key-lines.states.test.ts

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const subscription = aSubscription({ id: 1, orderingKey: parseOrderingKey('payload.key'), maxInFlight: 100 })

type Step =
  /** Events are accepted in one statement, with these keys; null: without. */
  | { readonly kind: 'accept'; readonly keys: readonly (string | null)[] }
  | { readonly kind: 'begin' | 'accepted' | 'given up' | 'handed back'; readonly which: number }
  | { readonly kind: 'failed'; readonly which: number; readonly againMs: number }
  | { readonly kind: 'advance'; readonly ms: number }
  /** What is owed of a key, by its place in the list, ends by hand. */
  | { readonly kind: 'discard'; readonly key: string; readonly place: number }
  /** The subscription is paused and resumed. */
  | { readonly kind: 'interrupt' }
  /** The process dies; what it had sent may be logged yet by a process that only seemed dead. */
  | { readonly kind: 'die'; readonly isLogged: boolean }
  | { readonly kind: 'wait' }

class OrderedWorld {
  /** What is owed, in the order of acceptance. */
  readonly model = new Map<string, Uuid[]>()
  readonly faults: string[] = []
  readonly #db = world.database
  #offsetMs = 0
  readonly #discarded = new Set<Uuid>()
  readonly #clock = { now: () => Date.now() + this.#offsetMs }
  readonly #newId = uuidV7Source(this.#clock)
  #owner = 0
  /** Of the process that has the lanes now; what others do does not count. */
  #life = { isOver: false }
  #lanes: Lanes | undefined
  /** With the dispatcher, and whether the attempt has begun. */
  #held: { readonly delivery: Delivery; hasBegun: boolean }[] = []

  async start(): Promise<void> {
    const owner = ++this.#owner
    const life = { isOver: false }
    this.#life = life
    this.#lanes = new Lanes({
      keptMs: 0,
      connection: this.#db,
      clock: this.#clock,
      logger: silentLogger(),
      membership: aMember({ id: owner }),
      subscription: () => subscription,
      refreshSubscription: async () => true,
      sink: {
        reserve: () => !life.isOver,
        release: () => {},
        push: delivery => {
          if (!life.isOver) this.#take(delivery)
        },
        takeWaiting: () => {
          const waiting = this.#held.filter(({ hasBegun }) => !hasBegun)
          this.#held = this.#held.filter(({ hasBegun }) => hasBegun)
          return waiting.map(({ delivery }) => delivery)
        },
      },
      statementMsMax: 5000,
      handBack: () => {},
      pollMs: 2,
    })
    this.#lanes.start()
  }

  #take(delivery: Delivery): void {
    const { orderingKey: key, webhookId } = delivery
    if (key !== undefined) {
      const ofKey = this.model.get(key) ?? []
      const first = ofKey.find(id => id === webhookId || !this.#discarded.has(id))
      if (first !== webhookId) this.faults.push(`${webhookId} of ${key} was sent before ${first}`)
      const others = this.#held.filter(held => held.delivery.orderingKey === key)
      if (others.length > 0) this.faults.push(`two of ${key} at a time`)
    }
    this.#held.push({ delivery, hasBegun: false })
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case 'accept':
        return this.#accept(step.keys)
      case 'begin': {
        const held = this.#held[step.which % this.#held.length]
        if (held) held.hasBegun = true
        return
      }
      case 'accepted':
      case 'given up':
      case 'handed back':
        return this.#settle(step.which, step.kind, 0)
      case 'failed':
        return this.#settle(step.which, step.kind, step.againMs)
      case 'advance':
        this.#offsetMs += step.ms
        return
      case 'discard':
        return this.#discard(step.key, step.place)
      case 'interrupt':
        return this.#lanes?.interrupt(1)
      case 'die':
        return this.#die(step.isLogged)
      case 'wait':
        await sleep(4)
    }
  }

  async #accept(keys: readonly (string | null)[]): Promise<void> {
    const events = keys.map(key => ({ key, event: anEvent({ webhookId: this.#newId() }) }))
    for (const { key, event } of events)
      if (key !== null) this.model.set(key, [...(this.model.get(key) ?? []), event.webhookId])
    const owed = events.map(({ key, event: { webhookId } }) => ({
      ...{ webhookId, subscriptionId: 1, sizeBytes: 7, owner: null },
      ...(key !== null && { orderingKey: key }),
    }))
    await insertEvents(
      this.#db,
      events.map(({ event }) => event),
      owed,
      this.#clock.now(),
    )
  }

  async #settle(
    which: number,
    how: 'accepted' | 'given up' | 'failed' | 'handed back',
    ms: number,
  ): Promise<void> {
    const held = this.#held[which % this.#held.length]
    if (!held) return
    const { delivery } = held
    const now = this.#clock.now()
    const again = {
      ...{ webhookId: delivery.webhookId, subscriptionId: 1, attempt: delivery.attempt },
      nextAttempt: how === 'failed' ? delivery.attempt + 1 : delivery.attempt,
      dueAt: how === 'failed' ? now + ms : delivery.dueAt,
    }
    if (how === 'accepted' || how === 'given up') await this.#log(delivery, how)
    else await recordAttempts(this.#db, this.#owner, [], [again])
    this.#held = this.#held.filter(other => other !== held)
    delivery.lane?.left(delivery, how === 'accepted' || how === 'given up')
  }

  async #log(delivery: Delivery, how: 'accepted' | 'given up'): Promise<void> {
    await recordFinalAttempts(this.#db, [
      {
        ...{ id: this.#newId(), subscriptionId: 1, webhookId: delivery.webhookId, attempt: delivery.attempt },
        ...{ timestamp: this.#clock.now(), status: how === 'accepted' ? 'success' : 'failed' },
        verdict: how === 'accepted' ? 'delivered' : 'given_up',
        ...{ httpStatus: null, durationMs: 1, nextAt: null, error: null },
      },
    ])
    await this.#forget(delivery.orderingKey, delivery.webhookId)
  }

  /** It is out of the model once it is owed no more. */
  async #forget(key: string | undefined, webhookId: Uuid): Promise<void> {
    if (key === undefined) return
    const isOwed = (await allOwed(this.#db)).some(row => row.webhookId === webhookId)
    if (isOwed) return
    this.model.set(key, this.model.get(key)?.filter(id => id !== webhookId) ?? [])
  }

  async #discard(key: string, place: number): Promise<void> {
    const webhookId = this.model.get(key)?.filter(id => !this.#discarded.has(id))[place]
    if (webhookId === undefined) return
    // It may be in memory, and is sent in its turn then; what comes after it does not wait for it.
    this.#discarded.add(webhookId)
    await endRows(this.#db, [{ webhookId, subscriptionId: 1 }], 'discarded')
  }

  async #die(isLogged: boolean): Promise<void> {
    const held = this.#held
    this.#held = []
    this.#life.isOver = true
    await this.#lanes?.stop()
    await recoverAll(this.#db, this.#owner)
    await this.start()
    if (!isLogged) return
    for (const { delivery, hasBegun } of held) {
      if (!hasBegun) continue
      // What comes after it is sent as soon as its row has gone, which may be before this hears of it.
      const isKnown = this.#discarded.has(delivery.webhookId)
      this.#discarded.add(delivery.webhookId)
      await this.#log(delivery, 'accepted')
      if (!isKnown) this.#discarded.delete(delivery.webhookId)
    }
  }

  /** All that is owed is accepted at once from now on. @returns what is still owed after a while */
  async drain(): Promise<number> {
    const end = performance.now() + 5000
    for (let rounds = 0; performance.now() < end; rounds++) {
      while (this.#held.length > 0) await this.#settle(0, 'accepted', 0)
      this.#offsetMs += 50
      await sleep(2)
      if (rounds % 5 === 4 && (await allOwed(this.#db)).length === 0) return 0
    }
    return (await allOwed(this.#db)).length
  }

  async repair(): Promise<void> {
    const deps = { database: this.#db, clock: this.#clock, logger: silentLogger() }
    await repair(deps, new AbortController().signal)
  }

  async stop(): Promise<void> {
    this.#held = []
    await this.#lanes?.stop()
  }
}

const keys = ['a', 'b', 'c', 'd']
const which = fc.nat(50)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('accept' as const),
      keys: fc.array(fc.constantFrom(...keys, 'a', null), { minLength: 1, maxLength: 12 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('begin', 'accepted'), which }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('given up', 'handed back'), which }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('failed' as const), which, againMs: fc.nat(2000) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms: fc.nat(1500) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('discard' as const),
      key: fc.constantFrom(...keys),
      place: fc.nat(3),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'interrupt' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('die' as const), isLogged: fc.boolean() }) },
  { weight: 6, arbitrary: fc.constant({ kind: 'wait' as const }) },
)

test('of each key one is sent at a time, in the order of acceptance, whatever happens to it; and all of it is sent', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60, size: 'max' }), async steps => {
      await emptyAll(world.database)
      await aLane(world.database, 1)
      const ordered = new OrderedWorld()
      await ordered.start()
      try {
        for (const one of steps) await ordered.do(one)
        let owed = await ordered.drain()
        // A late word of a process that seemed dead may end what others wait behind: the repair of each minute finds that.
        if (owed > 0 && steps.some(({ kind }) => kind === 'die')) {
          await ordered.repair()
          owed = await ordered.drain()
        }
        assert.equal(owed, 0, 'something is owed without end')
        assert.deepEqual(ordered.faults, [])
      } finally {
        await ordered.stop()
      }
    }),
    { numRuns: atLength(300, 12), interruptAfterTimeLimit: atLength(600_000, 40_000) },
  )
})
