import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PathFacts } from '../../src/model/path-facts.ts'

test('every listener hears what it asked for, also behind one that fails', () => {
  const failed: unknown[] = []
  const facts = new PathFacts(error => failed.push(error))
  const heard: number[] = []
  facts.on({
    moved: () => {
      throw new Error('not today')
    },
  })
  facts.on({ moved: moves => heard.push(moves.length) })
  facts.on({ accepted: events => heard.push(-events.length) })
  facts.moved([{ id: 1, from: 'active', to: 'degraded', reason: null, since: 0 }])
  assert.deepEqual(heard, [1])
  assert.equal(failed.length, 1)
})
