import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { DatabaseHealth } from '../../src/platform/database-health.ts'
import { silentLogger } from '../../src/platform/logger.ts'

function aHealth(t: TestContext) {
  const logger = silentLogger()
  const lines: unknown[] = []
  t.mock.method(logger, 'warn', (about: object, words: string) => lines.push([about, words]))
  let now = 0
  t.mock.method(performance, 'now', () => now)
  return {
    health: new DatabaseHealth(logger),
    lines,
    pass: (ms: number) => {
      now += ms
    },
  }
}

const away = (words: string) =>
  new AppError('database_unavailable', 'try again shortly', {
    cause: new Error('x', { cause: new Error(words) }),
  })

test('an outage is one line when it begins, with the cause, and one when it ends, with what it has cost', t => {
  const { health, lines, pass } = aHealth(t)
  health.failed('events', away('could not extend file "base/1": No space left on device'))
  health.refused(3)
  for (let n = 0; n < 100; n++) {
    health.failed('events', away('still'))
    health.failed('log', away('still'))
    health.refused(1)
  }
  pass(61_240)
  health.succeeded('events')
  assert.deepEqual([...health.failing], ['log'], 'it lasts until every use that failed has succeeded')
  pass(1000)
  health.succeeded('log')
  assert.deepEqual(
    lines.map(line => Object(line)[0]),
    [
      { use: 'events', cause: 'could not extend file "base/1": No space left on device' },
      { seconds: 62.2, refused: 103 },
    ],
  )
})

test('what was refused since the last success belongs to the outage, what was refused before does not', t => {
  const { health, lines } = aHealth(t)
  health.refused(50)
  health.succeeded('events')
  health.refused(7)
  health.failed('heartbeat', away('no answer'))
  health.succeeded('heartbeat')
  assert.deepEqual(Object(lines[1])[0], { seconds: 0, refused: 7 })
  health.failed('heartbeat', away('no answer'))
  health.succeeded('heartbeat')
  assert.deepEqual(Object(lines[3])[0], { seconds: 0, refused: 0 })
})

test('without an outage nothing is said', t => {
  const { health, lines } = aHealth(t)
  for (const use of ['events', 'log', 'heartbeat', 'connections'] as const) health.succeeded(use)
  health.refused(1)
  assert.deepEqual(lines, [])
})
