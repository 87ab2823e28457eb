import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { DatabaseHealth } from '../../src/platform/database-health.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { eventually } from '../support/eventually.ts'
import { someTroubles } from '../support/troubles.ts'

function aHealth(t: TestContext, isDiskFull?: () => Promise<boolean>) {
  const logger = silentLogger()
  const lines: (readonly [level: string, about: Record<string, unknown>, words: string])[] = []
  for (const level of ['warn', 'error'] as const)
    t.mock.method(logger, level, (about: object, words: string) => lines.push([level, { ...about }, words]))
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const troubles = someTroubles(logger)
  return {
    health: new DatabaseHealth({ logger, troubles, isDiskFull }),
    troubles,
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
  health.failed('events', away('the database system is shutting down'))
  health.refused(3)
  for (let n = 0; n < 100; n++) {
    health.failed('events', away('still'))
    health.failed('log', away('still'))
    health.refused(1)
  }
  assert.equal(health.trouble, 'unavailable')
  pass(61_240)
  health.succeeded('events')
  assert.deepEqual([...health.failing], ['log'], 'it lasts until every use that failed has succeeded')
  pass(1000)
  health.succeeded('log')
  assert.deepEqual(
    lines.map(([level, about]) => [level, about]),
    [
      ['warn', { trouble: 'database', use: 'events', cause: 'the database system is shutting down' }],
      ['warn', { trouble: 'database', use: 'events', seconds: 62.2, refused: 103 }],
    ],
  )
  assert.equal(health.trouble, undefined)
})

test('a full disk is named as such, at level error, also where it is found out after the outage began', t => {
  const { health, troubles, lines, pass } = aHealth(t)
  health.refused(2)
  health.failed('heartbeat', away('connection refused'))
  health.failed('events', away('could not extend file "base/1": No space left on device'))
  health.refused(5)
  assert.equal(health.trouble, 'disk_full')
  assert.deepEqual(
    troubles.present.map(({ kind, level, count }) => [kind, level, count]),
    [
      ['database', 'warn', 7],
      ['disk_full', 'error', 7],
    ],
  )
  pass(3000)
  health.succeeded('heartbeat')
  health.succeeded('events')
  assert.deepEqual(
    lines.map(([level, { trouble, refused }]) => [level, trouble, refused]),
    [
      ['warn', 'database', undefined],
      ['error', 'disk_full', undefined],
      ['warn', 'database', 7],
      ['warn', 'disk_full', 7],
    ],
  )
  assert.match(lines[1]?.[2] ?? '', /disk of the database is full: make room/)
})

test('a server that ended for want of room is told of by a look at its disk', async t => {
  const { health, troubles } = aHealth(t, async () => true)
  health.failed('heartbeat', away('connect ECONNREFUSED'))
  await eventually(() => troubles.has('disk_full'))
  health.succeeded('heartbeat')
  assert.deepEqual(troubles.present, [])
})

test('what was refused since the last success belongs to the outage, what was refused before does not', t => {
  const { health, lines } = aHealth(t)
  health.refused(50)
  health.succeeded('events')
  health.refused(7)
  health.failed('heartbeat', away('no answer'))
  health.succeeded('heartbeat')
  assert.equal(lines[1]?.[1].refused, 7)
  health.failed('heartbeat', away('no answer'))
  health.succeeded('heartbeat')
  assert.equal(lines[3]?.[1].refused, 0)
})

test('without an outage nothing is said', t => {
  const { health, lines } = aHealth(t)
  for (const use of ['events', 'log', 'heartbeat', 'connections'] as const) health.succeeded(use)
  health.refused(1)
  assert.deepEqual(lines, [])
})
