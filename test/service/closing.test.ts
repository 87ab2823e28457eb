import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Deadline } from '../../src/platform/deadline.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { closeAll } from '../../src/service/closing.ts'

/** A logger that keeps its warnings. */
function aLogger(t: TestContext) {
  const logger = silentLogger()
  const warnings: Record<string, unknown>[] = []
  t.mock.method(logger, 'warn', (fields: Record<string, unknown>) => void warnings.push(fields))
  return { logger, warnings }
}

test('every closer runs, in order, whatever the others do, and the log says what went wrong', async t => {
  const { logger, warnings } = aLogger(t)
  const closed: string[] = []
  const soon = new Deadline(50)
  const fault = new Error('the database is away')
  const failed = await closeAll(
    [
      { what: 'first', deadline: soon, close: () => closed.push('first') },
      {
        what: 'one that throws',
        deadline: soon,
        close() {
          closed.push('one that throws')
          throw fault
        },
      },
      {
        what: 'one that rejects',
        deadline: soon,
        async close() {
          closed.push('one that rejects')
          throw fault
        },
      },
      {
        what: 'one that hangs',
        deadline: soon,
        close() {
          closed.push('one that hangs')
          return new Promise(() => {})
        },
      },
      { what: 'last', deadline: new Deadline(1000), close: async () => void closed.push('last') },
    ],
    logger,
  )
  assert.deepEqual(closed, ['first', 'one that throws', 'one that rejects', 'one that hangs', 'last'])
  assert.deepEqual(failed, ['one that throws', 'one that rejects', 'one that hangs'])
  assert.deepEqual(warnings, [
    { closing: 'one that throws', err: fault },
    { closing: 'one that rejects', err: fault },
    { closing: 'one that hangs' },
  ])
})

test('what is late when its turn comes is begun all the same, and is not waited for', async t => {
  const { logger } = aLogger(t)
  const over = new Deadline(0)
  let begun = false
  const close = async () => {
    begun = true
    await new Promise(() => {})
  }
  assert.deepEqual(await closeAll([{ what: 'late', deadline: over, close }], logger), ['late'])
  assert.equal(begun, true)
})
