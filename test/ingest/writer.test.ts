import assert from 'node:assert/strict'
import { after, before, beforeEach, type TestContext, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { CommitUnknown, EventWriter, type EventWriterDeps, type Write } from '../../src/ingest/writer.ts'
import type { AcceptedEvent } from '../../src/model/path-facts.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { Database, isDatabaseUnavailable } from '../../src/platform/postgres.ts'
import { fakeClock, noon } from '../support/clock.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { eventually } from '../support/eventually.ts'
import { GatedDatabase, hold } from '../support/gated-database.ts'
import { aHealth } from '../support/health.ts'
import { allOwed, anEvent, countEvents, emptyAll, idAt, owedFor } from '../support/rows.ts'

let world: TestDatabase
before(async () => {
  world = await testDatabase()
})
beforeEach(() => emptyAll(world.database))
after(() => world.close())

const me = 7

function aWriter(t: TestContext, changes: Partial<EventWriterDeps> = {}) {
  const throttle = [new GatedDatabase(world.database), new GatedDatabase(world.database)]
  const clock = fakeClock()
  const writer = new EventWriter({
    connections: throttle,
    clock,
    logger: silentLogger(),
    health: aHealth(),
    timeoutMs: 60_000,
    ensurePartitions: async () => {},
    ...changes,
  })
  t.after(() => writer.close())
  const statements = () => throttle.reduce((sum, gate) => sum + gate.statements, 0)
  return { writer, throttle, clock, statements }
}

function aWrite(payload = Buffer.from('{}'), owner: number | null = me): Write {
  const event = anEvent({ payload })
  return { event, owed: owedFor(event, owner) }
}

const overloaded = (error: unknown) => error instanceof AppError && error.code === 'overloaded'
const mayBeWritten = (error: unknown) => error instanceof CommitUnknown
const turn = () => new Promise(resolve => setImmediate(resolve))

/** As when the process gets no processor; the database goes on. */
function standStill(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** Time that passes only as the test says. */
function ownTime(t: TestContext) {
  const beganAt = performance.now()
  let now = beganAt
  t.mock.method(performance, 'now', () => now)
  const waiting: { readonly at: number; readonly resolve: () => void }[] = []
  const running = new Set<Promise<unknown>>()
  return {
    /** Lets each transaction take this time; what the database needs for it besides does not count. */
    slow(gates: readonly GatedDatabase[], takesMs: () => number): void {
      for (const gate of gates) {
        const query = gate.query.bind(gate)
        const slow: typeof query = async statement => {
          await new Promise<void>(resolve => waiting.push({ at: now + takesMs(), resolve }))
          const result = query<never>(statement)
          running.add(result)
          return result.finally(() => running.delete(result))
        }
        Object.defineProperty(gate, 'query', { value: slow })
      }
    },
    /** Lets time pass, and the transactions end whose time is over. At most a minute in all: what is waited for comes sooner. */
    async pass(ms: number): Promise<void> {
      now += ms
      assert.ok(now - beganAt < 60_000, 'it did not come within a minute')
      for (const one of waiting.filter(({ at }) => at <= now)) {
        waiting.splice(waiting.indexOf(one), 1)
        one.resolve()
      }
      await turn()
      await Promise.all(running)
      await turn()
    },
  }
}

test('an event that was written is in the database with what it owes', async t => {
  const { writer } = aWriter(t)
  const write = aWrite()
  await writer.write(write)
  assert.equal(await countEvents(world.database), 1)
  assert.deepEqual(await allOwed(world.database), [
    { webhookId: write.event.webhookId, subscriptionId: 1, attempt: 1, owner: me, dueAt: noon },
  ])
  assert.equal(writer.depth, 0)
})

test('a lone event waits for nobody', async t => {
  const { writer, statements } = aWriter(t)
  const written = writer.write(aWrite())
  await turn()
  await turn()
  assert.equal(statements(), 1)
  await written
})

test('events of one moment share a transaction, and those that come meanwhile share the next', async t => {
  const { writer, throttle, statements } = aWriter(t)
  const open = throttle.map(hold)
  const first = Array.from({ length: 10 }, () => writer.write(aWrite()))
  await turn()
  assert.equal(statements(), 1)
  const second = Array.from({ length: 10 }, () => writer.write(aWrite()))
  await turn()
  assert.equal(statements(), 2)
  const later = Array.from({ length: 200 }, () => writer.write(aWrite()))
  await turn()
  assert.equal(statements(), 2, 'both connections are busy, so events gather')
  assert.equal(writer.depth, 200)
  for (const one of open) one()
  await Promise.all([...first, ...second, ...later])
  assert.equal(statements(), 3)
  assert.equal(await countEvents(world.database), 220)
})

test('a transaction carries 256 events, or about 1 MiB, and no more', async t => {
  const { writer, statements } = aWriter(t)
  await Promise.all(Array.from({ length: 600 }, () => writer.write(aWrite())))
  assert.equal(statements(), 3)
  await Promise.all(Array.from({ length: 6 }, () => writer.write(aWrite(Buffer.alloc(400_000)))))
  assert.equal(statements(), 5)
  assert.equal(await countEvents(world.database), 606)
})

test('an event that cannot be stored fails alone', async t => {
  const { writer } = aWriter(t)
  const bad = anEvent({ contentType: 'a\u0000b' })
  const writes = [aWrite(), { event: bad, owed: owedFor(bad, me) }, aWrite()]
  const results = await Promise.allSettled(writes.map(write => writer.write(write)))
  assert.deepEqual(
    results.map(result => result.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  )
  assert.equal(await countEvents(world.database), 2)
})

test('more events than can be written are refused at once, and later ones are taken again', async t => {
  const { writer, throttle } = aWriter(t)
  const open = throttle.map(hold)
  const megabyte = Buffer.alloc(1024 * 1024)
  const taken: Promise<void>[] = []
  for (let n = 0; n < 2; n++) {
    taken.push(writer.write(aWrite(megabyte)))
    await turn()
  }
  for (let n = 0; n < 64; n++) taken.push(writer.write(aWrite(megabyte)))
  await assert.rejects(writer.write(aWrite()), overloaded)
  for (const one of open) one()
  await Promise.all(taken)
  await writer.write(aWrite())
  assert.equal(await countEvents(world.database), 67)
})

test('while nothing is committed at all, events are refused once the first has waited for a moment', async t => {
  const { pass } = ownTime(t)
  const { writer, throttle } = aWriter(t)
  const open = throttle.map(hold)
  const taken: Promise<void>[] = []
  for (let n = 0; n < 4; n++) {
    taken.push(writer.write(aWrite()))
    await turn()
  }
  await pass(1001)
  // The first one comes before it is known that no answer of the database is waiting to be read.
  taken.push(writer.write(aWrite()))
  await turn()
  const refusal = assert.rejects(writer.write(aWrite()), overloaded).then(() => 'refused')
  assert.equal(await Promise.race([refusal, turn()]), 'refused', 'without waiting')
  for (const one of open) one()
  await Promise.all(taken)
  await writer.write(aWrite())
  assert.equal(await countEvents(world.database), 6)
})

test('a process that stood still refuses nothing for it: what it had written is committed meanwhile', async t => {
  const { writer } = aWriter(t, { timeoutMs: 1000 })
  await Promise.all([writer.write(aWrite()), writer.write(aWrite())])
  const written = [writer.write(aWrite())]
  await turn()
  written.push(writer.write(aWrite()))
  await turn() // each has a transaction of its own
  standStill(1500)
  written.push(writer.write(aWrite()), writer.write(aWrite()))
  await Promise.all(written)
  assert.equal(await countEvents(world.database), 6)
})

test('at twice what can be written, transactions are full, nobody waits for long, and the rest is refused at once', async t => {
  const time = ownTime(t)
  const waitMsMax = 300
  const { writer, throttle, statements } = aWriter(t, { waitMsMax })
  // At most 512 events in 200 ms; 2,000 are sent.
  const transactionMs = 200
  time.slow(throttle, () => transactionMs)
  const waitsMs: number[] = []
  let [atOnce, late] = [0, 0]
  const send = async () => {
    const sentAt = performance.now()
    const written = writer.write(aWrite()).then(
      () => 'written',
      () => 'refused',
    )
    const first = await Promise.race([written, turn()])
    if (first === 'refused') atOnce++
    else if ((await written) === 'refused') late++
    else waitsMs.push(performance.now() - sentAt)
  }
  const sent: Promise<void>[] = []
  for (let ms = 0; ms < 2500; ms += 20) {
    for (let n = 0; n < 200; n++) sent.push(send())
    await turn()
    await time.pass(20)
  }
  const all = Promise.all(sent).then(() => 'all')
  while ((await Promise.race([all, turn()])) !== 'all') await time.pass(20)
  assert.equal(await countEvents(world.database), waitsMs.length)
  const perTransaction = waitsMs.length / statements()
  assert.ok(perTransaction > 128, `${perTransaction} of 256 events in a transaction`)
  assert.ok(atOnce > sent.length / 5, `${atOnce} of ${sent.length} were refused at once`)
  assert.equal(late, 0, 'nobody was refused after having waited')
  const waitedMs = Math.max(...waitsMs)
  assert.ok(waitedMs < 2 * waitMsMax + 3 * transactionMs, `one waited ${waitedMs} ms`)
})

test('a rate that was measured in a stall keeps nothing out that the next transactions carry', async t => {
  const time = ownTime(t)
  const { writer, throttle } = aWriter(t)
  let stallMs = 300
  time.slow(throttle, () => stallMs)
  // Two a time, and others wait: a rate by which two events would have to wait for a second.
  const taken: Promise<void>[] = []
  for (let n = 0; n < 7; n++) {
    taken.push(writer.write(aWrite(Buffer.alloc(1024 * 1024))))
    await turn()
  }
  while (writer.depth > 1) await time.pass(20)
  stallMs = 20
  const written = Promise.allSettled(Array.from({ length: 400 }, () => writer.write(aWrite())))
  const all = Promise.all([written, ...taken]).then(([results]) => results)
  while ((await Promise.race([all, turn()])) === undefined) await time.pass(20)
  assert.equal((await all).filter(({ status }) => status === 'rejected').length, 0)
})

test('what gathers while a connection is busy is written in the same turn of the event loop in which it is free', async t => {
  const { writer, throttle, statements } = aWriter(t)
  for (const gate of throttle)
    Object.defineProperty(gate, 'query', { value: async () => void gate.statements++ })
  // As when thousands of connections are read: promises settle, but the turn does not end.
  const written: Promise<void>[] = []
  const turnEnded = turn().then(() => 'ended')
  for (let n = 0; n < 3000; n++) written.push(writer.write(aWrite()))
  const first = await Promise.race([Promise.all(written).then(() => 'written'), turnEnded])
  assert.equal(first, 'written')
  assert.ok(statements() >= 12)
})

test('an event that is not committed in time is refused: never written if it still waits, else it may be', async t => {
  const { writer, throttle } = aWriter(t, { timeoutMs: 60 })
  const open = throttle.map(hold)
  const sent: Promise<void>[] = []
  for (let n = 0; n < 3; n++) {
    sent.push(writer.write(aWrite()))
    await turn()
  }
  const reasons = (await Promise.allSettled(sent)).map(
    result => result.status === 'rejected' && result.reason,
  )
  assert.deepEqual(reasons.map(overloaded), [true, true, true])
  assert.deepEqual(reasons.map(mayBeWritten), [true, true, false])
  assert.equal(writer.depth, 0)
  for (const one of open) one()
  await writer.close()
  assert.equal(await countEvents(world.database), 2, 'those that had begun')
})

test('while the database is away callers hear so, and afterwards all is well', async t => {
  const { writer, throttle } = aWriter(t)
  for (const gate of throttle) gate.isAway = true
  const results = await Promise.allSettled(Array.from({ length: 20 }, () => writer.write(aWrite())))
  for (const result of results)
    assert.ok(result.status === 'rejected' && isDatabaseUnavailable(result.reason))
  for (const gate of throttle) gate.isAway = false
  await writer.write(aWrite())
  assert.equal(await countEvents(world.database), 1)
})

test('listeners hear once of a transaction, and of what was written alone', async t => {
  const heard: (readonly string[])[] = []
  const accepted = (events: readonly AcceptedEvent[]) =>
    heard.push(events.map(({ event }) => event.webhookId))
  const { writer } = aWriter(t, { facts: { accepted } })
  const writes = [aWrite(), aWrite()]
  await Promise.all(writes.map(write => writer.write(write)))
  assert.deepEqual(heard, [writes.map(({ event }) => event.webhookId)])
  const bad = anEvent({ contentType: 'a\u0000b' })
  await assert.rejects(writer.write({ event: bad, owed: [] }))
  assert.equal(heard.length, 1)
})

test('it says since when events wait that are not written, those under way included', async t => {
  const { writer, throttle } = aWriter(t)
  assert.equal(writer.oldest, Number.POSITIVE_INFINITY)
  const open = throttle.map(hold)
  const at = (ms: number) => {
    const event = anEvent({ webhookId: idAt(ms), subscriptionIds: [] })
    return writer.write({ event, owed: [] })
  }
  const taken = [at(noon)]
  await turn()
  taken.push(at(noon + 1))
  await turn()
  taken.push(at(noon + 2)) // waits for a connection
  assert.equal(writer.oldest, noon)
  open[1]?.()
  open[0]?.()
  await Promise.all(taken)
  assert.equal(writer.oldest, Number.POSITIVE_INFINITY)
})

test('what may be committed although it was refused is told with its time', async t => {
  const unsure: number[] = []
  const { writer, throttle } = aWriter(t, { unwritten: { unsure: since => unsure.push(since) } })
  for (const gate of throttle) gate.losesAnswers = true
  const event = anEvent({ webhookId: idAt(noon + 5), subscriptionIds: [] })
  await assert.rejects(writer.write({ event, owed: [] }), mayBeWritten)
  assert.deepEqual(unsure, [noon + 5])
})

test('after a lost answer the caller hears that the event may be committed', async t => {
  const { writer, throttle } = aWriter(t)
  for (const gate of throttle) gate.losesAnswers = true
  await assert.rejects(writer.write(aWrite()), error => isDatabaseUnavailable(error) && mayBeWritten(error))
  assert.equal(await countEvents(world.database), 1, 'it took effect all the same')
})

test('what was never sent is surely not written', async t => {
  const nowhere = new Database({
    connection: { host: '127.0.0.1', port: 1 },
    poolSize: 1,
    queryTimeoutMs: 1000,
    connectTimeoutMs: 1000,
  })
  t.after(() => nowhere.close())
  const { writer } = aWriter(t, { connections: [nowhere.connection('ingest')] })
  await assert.rejects(writer.write(aWrite()), error => isDatabaseUnavailable(error) && !mayBeWritten(error))
})

test('an event on a real connection that is cut may be committed, and the next one is written', async t => {
  const connection = world.database.connection('ingest')
  const { writer } = aWriter(t, { connections: [connection] })
  const { rows } = await connection.query<{ pid: number }>({ text: 'select pg_backend_pid() as pid' })
  await world.database.transaction(async tx => {
    await tx.query({ text: 'lock table events in access exclusive mode' })
    const cut = assert.rejects(writer.write(aWrite()), mayBeWritten)
    const waits = "select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'"
    await eventually(
      () => world.database.query({ text: waits, values: [rows[0]?.pid] }),
      ({ rowCount }) => rowCount === 1,
    )
    await world.database.query({ text: 'select pg_terminate_backend($1)', values: [rows[0]?.pid] })
    await cut
  })
  await writer.write(aWrite())
  assert.equal(await countEvents(world.database), 1)
})

test('a partition that is missing is made, and no event is refused for it', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  let made = 0
  const { writer } = aWriter(t, {
    connections: [database],
    ensurePartitions: async () => {
      made++
      await database.query({ text: 'create table events_all partition of events default' })
    },
  })
  await Promise.all([writer.write(aWrite()), writer.write(aWrite())])
  assert.equal(made, 1)
  assert.equal(await countEvents(database), 2)
})

test('without a partition, and with none to be made, callers are told to try again', async t => {
  const { database, close } = await testDatabase({ partitions: false })
  t.after(close)
  const { writer } = aWriter(t, { connections: [database] })
  await assert.rejects(writer.write(aWrite()), isDatabaseUnavailable)
})

test('closing waits for what was taken', async t => {
  const { writer } = aWriter(t)
  const written = Array.from({ length: 300 }, () => writer.write(aWrite()))
  await writer.close()
  assert.equal(await countEvents(world.database), 300)
  await Promise.all(written)
})

test('an event that could not be written is an outage, until one could be', async t => {
  const health = aHealth()
  const { writer, throttle } = aWriter(t, { health })
  for (const gate of throttle) gate.isAway = true
  await assert.rejects(writer.write(aWrite()), isDatabaseUnavailable)
  assert.deepEqual([...health.failing], ['events'])
  await writer.tryAgain()
  assert.deepEqual([...health.failing], ['events'], 'still')
  for (const gate of throttle) gate.isAway = false
  await writer.write(aWrite())
  assert.equal(health.failing.size, 0)
})

test('that events can be written again is found out without one, and leaves nothing', async t => {
  const health = aHealth()
  const connection = world.database.connection('writer')
  t.after(() => connection.close())
  const { writer } = aWriter(t, { health, connections: [connection] })
  await writer.tryAgain()
  assert.equal(connection.opened, 0, 'nothing is asked while all is well')
  health.failed('events', new Error('away'))
  await writer.tryAgain()
  assert.equal(health.failing.size, 0)
  assert.equal(await countEvents(world.database), 0)
  await writer.write(aWrite())
  assert.equal(await countEvents(world.database), 1, 'the connection is free again')
})
