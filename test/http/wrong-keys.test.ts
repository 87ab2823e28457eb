import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WrongKeys } from '../../src/http/wrong-keys.ts'

function world() {
  let now = 5000
  return {
    keys: new WrongKeys(() => now),
    pass(ms: number) {
      now += ms
    },
  }
}

test('a client may give ten wrong keys at once, then one each second', () => {
  const { keys, pass } = world()
  for (let n = 0; n < 10; n++) {
    assert.equal(keys.waitMs('a'), 0)
    keys.count('a')
  }
  assert.equal(keys.waitMs('a'), 1000)
  pass(999)
  assert.equal(keys.waitMs('a'), 1)
  pass(1)
  assert.equal(keys.waitMs('a'), 0)
  keys.count('a')
  assert.equal(keys.waitMs('a'), 1000)
})

test('one client does not affect another', () => {
  const { keys } = world()
  for (let n = 0; n < 20; n++) keys.count('a')
  assert.equal(keys.waitMs('b'), 0)
})

test('who was quiet for long enough may give ten again, and no more', () => {
  const { keys, pass } = world()
  for (let n = 0; n < 10; n++) keys.count('a')
  pass(3_600_000)
  for (let n = 0; n < 10; n++) keys.count('a')
  assert.equal(keys.waitMs('a'), 1000)
})

test('of any number of clients ten thousand are remembered, the last ones', () => {
  const { keys } = world()
  for (let n = 0; n < 10; n++) keys.count('early')
  for (let client = 0; client < 9999; client++) keys.count(`${client}`)
  assert.ok(keys.waitMs('early') > 0)
  for (let client = 0; client < 20_000; client++) keys.count(`more ${client}`)
  assert.equal(keys.size, 10_000)
  assert.equal(keys.waitMs('early'), 0)
})
