import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lanesOnly } from '../../src/handover/holder.ts'
import { aSubscription } from '../support/subscription.ts'

test('a process that delivers nothing holds nothing: all goes to the lanes', () => {
  assert.equal(lanesOnly.take(aSubscription(), 10), null)
})
