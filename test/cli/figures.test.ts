import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FiguresOfChildren, FiguresOfOthers, type FiguresToChild } from '../../src/cli/figures.ts'
import { add, noNumbers, seriesAt, together } from '../../src/metrics/figures.ts'
import { eventually } from '../support/eventually.ts'

const place = seriesAt('eventsAccepted')

/** Children and their supervisor, with channels that carry what a channel between processes does: JSON, later. */
function aCrew() {
  const supervisor = new FiguresOfChildren()
  const copy = <T>(message: T): T => JSON.parse(JSON.stringify(message)) // as it arrives
  const start = () => {
    const numbers = noNumbers()
    const child = {
      isStuck: false,
      send(message: FiguresToChild) {
        const arrived = copy(message)
        setImmediate(() => {
          if (!child.isStuck) others.heard(arrived)
        })
      },
    }
    const others = new FiguresOfOthers(message => {
      const arrived = copy(message)
      setImmediate(() => supervisor.heard(child, arrived))
    })
    others.onAsked(() => numbers)
    return {
      child,
      count: (by: number) => add(numbers, place, by),
      tell: () => others.tell(numbers),
      /** What `GET /metrics` of this process would show. */
      async shows() {
        const found = await others.ask(numbers.slice())
        return found && together([numbers, ...found])[place]
      },
    }
  }
  return { supervisor, start }
}

test('whichever child answers, it shows what all have counted', async () => {
  const { start } = aCrew()
  const [a, b, c] = [start(), start(), start()]
  for (const one of [a, b, c]) one.tell()
  a.count(1)
  b.count(10)
  c.count(100)
  assert.deepEqual(await Promise.all([a.shows(), b.shows(), c.shows()]), [111, 111, 111])
})

test('what was shown of a child stays when it is killed, whether it answered or was asked', async () => {
  const { supervisor, start } = aCrew()
  const [a, b] = [start(), start()]
  for (const one of [a, b]) one.tell()
  a.count(5)
  b.count(7)
  assert.equal(await a.shows(), 12)
  supervisor.ended(a.child, true) // it has told nothing since
  b.count(1)
  assert.equal(await b.shows(), 13)
  const next = start()
  next.tell()
  next.count(2)
  assert.equal(await next.shows(), 15)
})

test('a child that does not answer is waited for a moment, and stands with what it said last', async () => {
  const { start } = aCrew()
  const [a, b] = [start(), start()]
  a.tell()
  b.count(7)
  b.tell()
  await eventually(async () => (await a.shows()) === 7)
  b.child.isStuck = true
  b.count(100)
  const from = performance.now()
  assert.equal(await a.shows(), 7)
  assert.ok(performance.now() - from < 30_000)
})

test('a supervisor that does not answer is not waited for long', async () => {
  const others = new FiguresOfOthers(() => {})
  assert.equal(await others.ask(noNumbers()), undefined)
})

test('a child that dies while it is asked is not waited for', async () => {
  const { supervisor, start } = aCrew()
  const [a, b] = [start(), start()]
  for (const one of [a, b]) one.tell()
  await eventually(async () => (await a.shows()) === 0)
  b.child.isStuck = true
  const shown = a.shows()
  setImmediate(() => setImmediate(() => supervisor.ended(b.child, true)))
  assert.equal(await shown, 0)
})
