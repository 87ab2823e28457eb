import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { ReplayTurns } from '../../src/deliver/replay-turns.ts'

/** Turns whose time is that of the test. */
function someTurns() {
  let now = 1000
  let timer: { readonly then: () => void; readonly at: number } | undefined
  const turns = new ReplayTurns(
    () => now,
    (then, ms) => {
      assert.equal(timer, undefined, 'one timer at a time')
      timer = { then, at: now + Math.max(1, ms) }
    },
  )
  let begun = 0
  return {
    begin(count: number) {
      for (let n = 0; n < count; n++)
        void turns.turn().then(() => {
          begun++
        })
    },
    /** Lets time pass. @returns how many have begun in it */
    async pass(ms: number) {
      const before = begun
      await turnOfTheLoop()
      for (const end = now + ms; now < end; ) {
        now = Math.min(end, timer?.at ?? end)
        if (timer === undefined || timer.at > now) continue
        const { then } = timer
        timer = undefined
        then()
        await turnOfTheLoop()
      }
      return begun - before
    },
  }
}

test('attempts begin in small groups, the first at once', async () => {
  const turns = someTurns()
  turns.begin(100)
  assert.equal(await turns.pass(0), 8)
  assert.equal(await turns.pass(19), 0)
  assert.equal(await turns.pass(1), 8)
  assert.equal(await turns.pass(250), 84)
  await turns.pass(1000)
  turns.begin(1)
  assert.equal(await turns.pass(0), 1)
})

test('a hundred in a second are held back each time, and one attempt after the other is not', async () => {
  const turns = someTurns()
  for (let step = 0; step < 20; step++) {
    turns.begin(100)
    assert.ok((await turns.pass(100)) <= 56)
    await turns.pass(900)
  }
  for (let n = 0; n < 300; n++) {
    turns.begin(1)
    assert.equal(await turns.pass(0), 1)
    await turns.pass(3)
  }
})

test('a wave takes no longer than a third of the time in which the next one comes', async () => {
  const turns = someTurns()
  for (let second = 0; second < 8; second++) {
    turns.begin(300)
    const begun = await turns.pass(350)
    assert.ok(second === 0 || begun === 300, `${begun} in second ${second}`)
    await turns.pass(650)
  }
})

test('who always has more to send is held back less and less, also where it comes in waves', async () => {
  const turns = someTurns()
  const perSecond: number[] = []
  for (let second = 0; second < 8; second++) {
    let begun = 0
    for (let wave = 0; wave < 4; wave++) {
      turns.begin(2000)
      begun += (await turns.pass(150)) + (await turns.pass(100))
    }
    perSecond.push(begun)
  }
  assert.ok((perSecond[0] ?? 0) <= 450, `${perSecond}`)
  assert.ok((perSecond[7] ?? 0) >= 5000, `${perSecond}`)
})
