import assert from 'node:assert/strict'
import { test } from 'node:test'
import { every } from '../../src/platform/every.ts'
import { silentLogger } from '../../src/platform/logger.ts'

/** Lets promises that are ready run on, without any time passing. */
const settle = () => new Promise(resolve => setImmediate(resolve))

test('work is done at once and repeated, never twice at a time, also after it failed', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const ends: ((error?: Error) => void)[] = []
  const repeated = every(1000, 'work', silentLogger(), () => {
    return new Promise<void>((resolve, reject) => {
      ends.push(error => (error ? reject(error) : resolve()))
    })
  })
  assert.equal(ends.length, 1, 'at once')
  t.mock.timers.tick(3000)
  assert.equal(ends.length, 1, 'the first run is still under way')
  ends[0]?.(new Error('it failed'))
  await settle()
  t.mock.timers.tick(1000)
  assert.equal(ends.length, 2)
  ends[1]?.()
  await repeated.stop()
})

test('who hurries it while a run is under way gets one more run after it', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const ends: (() => void)[] = []
  const repeated = every(1000, 'work', silentLogger(), () => {
    return new Promise<void>(resolve => {
      ends.push(resolve)
    })
  })
  repeated.hurry()
  repeated.hurry()
  assert.equal(ends.length, 1, 'the first run is still under way')
  ends[0]?.()
  await settle()
  assert.equal(ends.length, 2)
  ends[1]?.()
  await settle()
  assert.equal(ends.length, 2, 'one more was asked for, and no other')
  repeated.hurry()
  assert.equal(ends.length, 3, 'at once')
  ends[2]?.()
  await repeated.stop()
})

test('stopping waits for the run that is under way, and no other comes', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let runs = 0
  let end = () => {}
  let told: AbortSignal | undefined
  const repeated = every(1000, 'work', silentLogger(), signal => {
    runs++
    told = signal
    return new Promise<void>(resolve => {
      end = resolve
    })
  })
  let stopped = false
  const stopping = repeated.stop().then(() => {
    stopped = true
  })
  await settle()
  assert.equal(stopped, false)
  assert.equal(told?.aborted, true, 'it may end before it is done')
  end()
  await stopping
  t.mock.timers.tick(5000)
  assert.equal(runs, 1)
})

test('work that throws before it waits for anything has failed like any other', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let runs = 0
  const repeated = every(1000, 'work', silentLogger(), () => {
    runs++
    throw new Error('at once')
  })
  await settle()
  t.mock.timers.tick(1000)
  await settle()
  assert.equal(runs, 2)
  await repeated.stop()
})
