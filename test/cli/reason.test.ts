import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refusedCommand } from '../../src/cli/reason.ts'
import { AppError, validationFailed } from '../../src/errors.ts'

test('a command tells what is wrong without the places in a body', () => {
  const faults = [
    { pointer: '/tenant', detail: 'Say for which.' },
    { pointer: '/name', detail: 'Give a name.' },
  ]
  assert.equal(refusedCommand(validationFailed(faults.slice(0, 1))).message, 'Say for which.')
  assert.equal(refusedCommand(validationFailed(faults)).message, 'Say for which. Give a name.')
  assert.equal(refusedCommand(new AppError('not_found', 'There is none.')).message, 'There is none.')
})
