import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Destination, Hint, Message } from '../../src/destinations/destination.ts'
import type { Outcome } from '../../src/model/outcome.ts'

/** What a receiver does with whatever it is sent. */
export type ReceiverBehaviour =
  | 'accepts'
  | 'has too much to do'
  | 'has too much to do for a minute'
  | 'is gone'
  | 'refuses'
  | 'hangs'
  | 'breaks off'
  | 'does not exist'

/** A receiver of the kind that a destination delivers to. */
export interface SuiteReceiver {
  /** A message for it, with this body and these headers besides those that it needs. */
  message(body: Buffer, headers: readonly string[]): Message
  /** The same, for a subscription that says of every refusal that it is final. */
  finalMessage(): Message
  /** What has arrived whole. */
  readonly received: readonly {
    readonly body: Buffer
    readonly headers: Readonly<Record<string, unknown>>
  }[]
  /** Resolves when this many have arrived. */
  waitFor(messages: number): Promise<void>
}

/** An implementation, and receivers to try it on. */
export interface SuiteWorld {
  readonly destination: Destination
  readonly hint: Hint
  /** The time that the destination goes by, Unix milliseconds. */
  now(): number
  receiver(behaviour: ReceiverBehaviour): Promise<SuiteReceiver>
}

const dayMs = 86_400_000
const patientMs = 30_000
const body = Buffer.from('{ "b" : 1,  "a":"é😀" }\n')

/** What every destination promises (src/destinations/destination.ts). */
export function destinationSuite(name: string, open: (t: TestContext) => Promise<SuiteWorld>): void {
  const deliver = async (world: SuiteWorld, behaviour: ReceiverBehaviour, timeoutMs = patientMs) => {
    const receiver = await world.receiver(behaviour)
    return await world.destination.deliver(receiver.message(body, []), timeoutMs)
  }

  test(`${name}: what is accepted has arrived once, byte for byte, with its headers`, async t => {
    const world = await open(t)
    const receiver = await world.receiver('accepts')
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256))
    const outcome = await world.destination.deliver(
      receiver.message(bytes, ['webhook-id', 'evt_1']),
      patientMs,
    )
    assert.equal(outcome.kind, 'accepted')
    assert.equal(receiver.received.length, 1)
    assert.ok(receiver.received[0]?.body.equals(bytes))
    assert.equal(receiver.received[0]?.headers['webhook-id'], 'evt_1')
  })

  test(`${name}: each behaviour has its word`, async t => {
    const world = await open(t)
    const words: Readonly<Record<ReceiverBehaviour, Outcome['kind']>> = {
      accepts: 'accepted',
      'has too much to do': 'overloaded',
      'has too much to do for a minute': 'overloaded',
      'is gone': 'gone',
      refuses: 'refused',
      hangs: 'unreachable',
      'breaks off': 'unreachable',
      'does not exist': 'unreachable',
    }
    for (const [behaviour, word] of Object.entries(words) as [ReceiverBehaviour, Outcome['kind']][]) {
      const outcome = await deliver(world, behaviour, behaviour === 'hangs' ? 100 : patientMs)
      assert.equal(outcome.kind, word, behaviour)
      assert.ok(Number.isInteger(outcome.durationMs) && outcome.durationMs >= 0, behaviour)
    }
  })

  test(`${name}: a failure has a class, a text that is fit for the log, and a hint`, async t => {
    const world = await open(t)
    for (const behaviour of [
      'has too much to do',
      'is gone',
      'refuses',
      'breaks off',
      'does not exist',
    ] as const) {
      const outcome = await deliver(world, behaviour)
      assert.ok(outcome.kind !== 'accepted', behaviour)
      const { errorClass, errorCode = null, httpStatus = null, error } = outcome
      assert.ok(error !== '' && error.length <= 200 && !error.includes('\u0000'), behaviour)
      assert.notEqual(world.hint({ errorClass, errorCode, httpStatus }), '', behaviour)
    }
  })

  test(`${name}: when it is to be left alone is a moment that is still to come`, async t => {
    const world = await open(t)
    const from = world.now()
    const outcome = await deliver(world, 'has too much to do for a minute')
    assert.ok(outcome.kind === 'overloaded' && outcome.notBefore !== undefined)
    assert.ok(outcome.notBefore >= from + 60_000 && outcome.notBefore <= from + dayMs)
    const silent = await deliver(world, 'has too much to do')
    assert.equal('notBefore' in silent, false)
  })

  test(`${name}: the rules of the subscription say whether a refusal is final`, async t => {
    const world = await open(t)
    const receiver = await world.receiver('refuses')
    const once = await world.destination.deliver(receiver.message(body, []), patientMs)
    const last = await world.destination.deliver(receiver.finalMessage(), patientMs)
    assert.deepEqual(
      [once, last].map(outcome => outcome.kind === 'refused' && outcome.isFinal),
      [false, true],
    )
  })

  test(`${name}: an attempt ends when its time is over, not sooner, and is not repeated`, async t => {
    const world = await open(t)
    const receiver = await world.receiver('hangs')
    const outcome = await world.destination.deliver(receiver.message(body, []), 300)
    assert.ok(outcome.kind === 'unreachable')
    assert.deepEqual([outcome.errorClass, outcome.fault], ['timeout', 'receiver'])
    assert.ok(outcome.durationMs >= 299, `${outcome.durationMs}`)
    assert.ok(receiver.received.length <= 1)
  })

  test(`${name}: a connection that breaks off is not tried again`, async t => {
    const world = await open(t)
    const receiver = await world.receiver('breaks off')
    await world.destination.deliver(receiver.message(body, []), patientMs)
    assert.equal(receiver.received.length, 1)
  })

  test(`${name}: closing ends what runs, by our own fault, and nothing is sent afterwards`, async t => {
    const world = await open(t)
    const receiver = await world.receiver('hangs')
    const running = world.destination.deliver(receiver.message(body, []), patientMs)
    await receiver.waitFor(1)
    await world.destination.close()
    for (const outcome of [await running, await deliver(world, 'accepts')]) {
      assert.equal(outcome.kind === 'unreachable' && outcome.fault, 'ours')
    }
    const other = await world.receiver('accepts')
    await world.destination.deliver(other.message(body, []), patientMs)
    assert.equal(other.received.length, 0)
  })
}
