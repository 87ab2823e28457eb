import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { type BatchDeps, publishBatch } from '../../src/publish/batch.ts'
import { itemReader } from '../../src/publish/batch-items.ts'
import { fakeClock } from '../support/clock.ts'
import { newId } from '../support/rows.ts'

const items = (...texts: readonly string[]) => {
  const reader = itemReader('lines', 10_000)
  reader.push(Buffer.from(texts.join('\n')))
  return reader.end()
}

function deps(
  publish: BatchDeps['publish'],
  failed: (error: unknown) => void = () => assert.fail(),
): BatchDeps {
  return {
    publish,
    failed,
    refused: () => {},
    clock: fakeClock(),
    payloadBytesMax: 1000,
    requestId: 'the-request',
    batchKey: null,
    tenantFor: named => {
      if (named === 'other') throw new AppError('forbidden', 'This key is for tenant mine only.')
      return named ?? 'mine'
    },
  }
}

test('an item for a tenant out of the reach of the sender is refused, and the others are published for theirs', async () => {
  const tenants: string[] = []
  const results = await publishBatch(
    deps(async ({ tenant }) => {
      tenants.push(tenant)
      return { webhookId: newId(), deliveries: 0, isReplayed: false }
    }),
    items('{"payload":1}', '{"payload":1,"tenant":"other"}', '{"payload":1,"tenant":"mine"}'),
  )
  assert.deepEqual(
    results.map(({ status }) => status),
    [202, 403, 202],
  )
  assert.deepEqual(tenants, ['mine', 'mine'])
})

test('an item whose schema has to be read first holds those behind it, and one that is refused lets them go', async () => {
  const entered: string[] = []
  const ready = { '1': Promise.withResolvers<void>(), '3': Promise.withResolvers<void>() }
  const publishing = publishBatch(
    deps(async ({ payload, onEntering }) => {
      const text = payload.toString()
      await (text === '1' || text === '3' ? ready[text].promise : undefined)
      if (text === '3') throw new AppError('payload_refused', 'It does not fit.')
      onEntering?.()
      entered.push(text)
      return { webhookId: newId(), deliveries: 0, isReplayed: false }
    }),
    items(
      '{"payload":1}',
      '{"payload":2}',
      '{"payload":3}',
      '{"payload":4}',
      '{"payload":5,"event_id":"named"}',
    ),
  )
  await new Promise(setImmediate)
  assert.deepEqual(entered, [])
  ready[1].resolve()
  await new Promise(setImmediate)
  assert.deepEqual(entered, ['1', '2'])
  ready[3].resolve()
  const results = await publishing
  assert.deepEqual(
    results.map(({ status }) => status),
    [202, 202, 422, 202, 202],
  )
  assert.deepEqual(entered, ['1', '2', '4', '5'])
})

test('an item that is taken at the moment in which others are let go stays behind them', async () => {
  // In one of these microtasks the first item makes room for the last one while the second lets those behind it go.
  for (let microtasks = 0; microtasks < 10; microtasks++) {
    const entered: number[] = []
    const ready = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const publishing = publishBatch(
      deps(async ({ payload, onEntering }) => {
        const n = Number(payload)
        if (n === 1) await ready[1]?.promise
        onEntering?.()
        entered.push(n)
        if (n === 0) await ready[0]?.promise
        return { webhookId: newId(), deliveries: 0, isReplayed: false }
      }),
      items(...Array.from({ length: 258 }, (_, n) => `{"payload":${n}}`)),
    )
    ready[0]?.resolve()
    for (let n = 0; n < microtasks; n++) await undefined
    ready[1]?.resolve()
    await publishing
    assert.deepEqual(
      entered,
      Array.from({ length: 258 }, (_, n) => n),
      `after ${microtasks} microtasks`,
    )
  }
})

test('a fault of the service fails its item alone, without its words, and is told', async () => {
  const told: unknown[] = []
  const fault = new TypeError('x is not a function')
  const [broken, well] = await publishBatch(
    deps(
      async ({ payload }) => {
        if (payload.toString() === '1') throw fault
        return { webhookId: newId(), deliveries: 0, isReplayed: false }
      },
      error => told.push(error),
    ),
    items('{"payload":1}', '{"payload":2}'),
  )
  assert.deepEqual([broken?.status, well?.status], [500, 202])
  assert.doesNotMatch(JSON.stringify(broken), /function/)
  assert.deepEqual(told, [fault])
})

test('at most 256 items are under way, and results stand in the order of the items, whichever ends first', async () => {
  let underWay = 0
  let most = 0
  const ends: (() => void)[] = []
  const publishing = publishBatch(
    deps(async ({ payload, onEntering }) => {
      onEntering?.()
      most = Math.max(most, ++underWay)
      await new Promise<void>(resolve => ends.push(resolve))
      underWay--
      return { webhookId: newId(), deliveries: Number(payload.toString()), isReplayed: false }
    }),
    items(...Array.from({ length: 600 }, (_, n) => `{"payload":${n}}`)),
  )
  let results: Awaited<typeof publishing> | undefined
  void publishing.then(all => {
    results = all
  })
  while (results === undefined) {
    ends.pop()?.()
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.equal(most, 256)
  assert.deepEqual(
    results.map(result => 'deliveries' in result && result.deliveries),
    Array.from({ length: 600 }, (_, n) => n),
  )
})
