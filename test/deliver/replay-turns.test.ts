import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { ReplayTurns } from '../../src/deliver/replay-turns.ts'

/** Turns whose timer is ended by the test. */
function someTurns() {
  let timer: { readonly then: () => void; readonly ms: number } | undefined
  const turns = new ReplayTurns((then, ms) => {
    assert.equal(timer, undefined, 'one timer at a time')
    timer = { then, ms }
  })
  let begun = 0
  return {
    begun: () => begun,
    timer: () => timer?.ms,
    begin(count: number) {
      for (let n = 0; n < count; n++)
        void turns.turn().then(() => {
          begun++
        })
    },
    /** Lets the time pass until the next group. @returns how long that was */
    async pass() {
      const { then, ms } = timer ?? assert.fail('nothing is to come')
      timer = undefined
      then()
      await turnOfTheLoop()
      return ms
    },
  }
}

test('attempts begin in small groups, and an attempt alone begins at once', async () => {
  const turns = someTurns()
  turns.begin(20)
  assert.equal(await turns.pass(), 0)
  assert.equal(turns.begun(), 8)
  assert.equal(await turns.pass(), 20)
  assert.equal(turns.begun(), 16)
  await turns.pass()
  assert.equal(turns.begun(), 20)
  await turns.pass()
  assert.equal(turns.timer(), undefined, 'nobody waits')
  turns.begin(1)
  assert.equal(await turns.pass(), 0)
  assert.equal(turns.begun(), 21)
})

test('who always has more to send is held back less and less, and again once nobody has waited', async () => {
  const turns = someTurns()
  let ms = 0
  let last = 0
  for (let group = 0; group < 180; group++) {
    turns.begin(10) // as many as may be in flight: all of them have begun before the next group
    last = await turns.pass()
    ms += last
  }
  assert.ok(last < 1, `groups are ${last} ms apart`)
  assert.ok(ms < 2000, `that was so after ${ms} ms`)
  while (turns.timer() !== undefined) await turns.pass()
  turns.begin(20)
  await turns.pass()
  assert.equal(await turns.pass(), 20)
})
