import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aDispatcherWorld } from '../support/dispatcher.ts'
import { aSubscription } from '../support/subscription.ts'

const one = aSubscription({ id: 1, maxInFlight: 1 })

test('nothing is begun while what is held may be others’, and all goes on when it is known to be ours', async () => {
  let isOurs = true
  const { dispatcher, running, started, push } = aDispatcherWorld({}, [one], () => isOurs)
  push(1)
  push(1)
  isOurs = false
  await running[0]?.end()
  push(1)
  push(2)
  assert.deepEqual(started, [1], 'only what had begun before')
  isOurs = true
  dispatcher.wake()
  assert.deepEqual(started, [1, 1, 2])
  await running[0]?.end()
  assert.deepEqual(started, [1, 1, 2, 1])
})

test('what has not begun can be taken out, whoever it is for and wherever it came from', async () => {
  const { dispatcher, running, started, push, pushOfLane } = aDispatcherWorld({}, [one])
  push(1)
  const waiting = [push(1), pushOfLane(1), push(2), push(2)].map(({ webhookId }) => webhookId)
  const begun = running.find(({ delivery }) => delivery.subscriptionId === 2)?.delivery.webhookId
  const taken = dispatcher.takeAll().map(({ webhookId }) => webhookId)
  assert.deepEqual(
    taken,
    waiting.filter(id => id !== begun),
  )
  await running[0]?.end()
  assert.deepEqual(started, [1, 2])
})
