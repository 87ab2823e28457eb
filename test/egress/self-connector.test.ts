import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type OwnAddress, selfConnector } from '../../src/egress/self-connector.ts'
import { httpDestination } from '../support/http-destination.ts'
import { startReceiver } from '../support/receiver.ts'

test('whatever the address says, it leads to the own port, in plain HTTP', async t => {
  const receiver = await startReceiver()
  t.after(() => receiver.close())
  const at = { address: '0.0.0.0', port: Number(new URL(receiver.origin).port) }
  const { send } = httpDestination(t, { connector: selfConnector(() => at) })
  for (const origin of ['https://hooks.example.com', 'http://10.1.2.3:99', 'http://[::1]:1']) {
    const outcome = await send(origin, { path: '/t/a' })
    assert.equal(outcome.kind, 'accepted', origin)
    assert.equal(receiver.received.at(-1)?.headers.host, new URL(origin).host)
  }
})

test('that this process does not listen is its own lack, so that no attempt is spent', async t => {
  const receiver = await startReceiver()
  const port = Number(new URL(receiver.origin).port)
  await receiver.close()
  const places: readonly (OwnAddress | undefined)[] = [undefined, { address: '127.0.0.1', port }]
  for (const at of places) {
    const { send } = httpDestination(t, { connector: selfConnector(() => at) })
    const outcome = await send('https://hooks.example.com')
    assert.ok(outcome.kind === 'unreachable')
    assert.deepEqual([outcome.fault, outcome.errorCode], ['ours', 'SELF_UNAVAILABLE'])
  }
})
