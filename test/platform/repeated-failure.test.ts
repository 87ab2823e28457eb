import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { RepeatedFailure } from '../../src/platform/repeated-failure.ts'

function aFailure() {
  const lines: Record<string, unknown>[] = []
  const output = { write: (line: string) => void lines.push(JSON.parse(line)) }
  const failure = new RepeatedFailure(createLogger({ level: 'info', format: 'json', output }), 'it failed')
  const told = () =>
    lines.splice(0).map(({ level, msg, in_a_row: count, after }) => [level, msg, count ?? after])
  return { failure, told }
}

test('of failures in a row the first, the tenth and the hundredth are told, and that it works again', () => {
  const { failure, told } = aFailure()
  for (let n = 0; n < 150; n++) failure.failed(new Error('no'))
  assert.deepEqual(told(), [
    ['warn', 'it failed', undefined],
    ['warn', 'it failed', 10],
    ['warn', 'it failed', 100],
  ])
  failure.succeeded()
  failure.succeeded()
  assert.deepEqual(told(), [['info', 'it works again: it failed', 150]])
  failure.failed(new Error('no'))
  assert.equal(told().length, 1)
})

test('that the database is away is not told here', () => {
  const { failure, told } = aFailure()
  failure.failed(new AppError('database_unavailable', 'away'))
  failure.succeeded()
  assert.deepEqual(told(), [])
})
