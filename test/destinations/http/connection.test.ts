import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { buildConnector } from 'undici'
import { TracedClient } from '../../../src/destinations/http/connection.ts'
import { Exchange } from '../../../src/destinations/http/exchange.ts'
import type { ExchangeDetails } from '../../../src/model/exchange-details.ts'
import type { Outcome } from '../../../src/model/outcome.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { connectionFree, httpDestination } from '../../support/http-destination.ts'
import { startReceiver } from '../../support/receiver.ts'

const all = {
  clock: systemClock(),
  responseBytesMax: 65_536,
  capture: { of: 'all', bodyBytesMax: 100 },
} as const

async function send(client: TracedClient, origin: string): Promise<ExchangeDetails> {
  const body = Buffer.from('{}')
  const request = { origin, path: '/', headers: [], body, timeoutMs: 30_000, terminalStatuses: [] }
  const outcome = await new Promise<Outcome>(resolve => {
    client.dispatch({ path: '/', method: 'POST', body: request.body }, new Exchange(request, all, resolve))
  })
  assert.ok(outcome.exchange)
  await connectionFree()
  return outcome.exchange
}

/** A receiver over TLS with a shared key instead of certificates, so that there is no key to keep here. */
async function secureReceiver(t: TestContext): Promise<string> {
  const psk = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
  const server = createServer({ ...psk, pskCallback: () => Buffer.alloc(16, 1) }, (_, response) =>
    response.end(),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}` // it listens on TCP
}

test('a new connection has all its times, the next request on it has none of them', async t => {
  const origin = await secureReceiver(t)
  const connect = buildConnector({
    ciphers: 'PSK',
    maxVersion: 'TLSv1.2',
    allowH2: false,
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: Buffer.alloc(16, 1), identity: 'test' }),
  })
  const client = new TracedClient(new URL(origin), { connect, allowH2: false })
  t.after(() => client.destroy())
  const first = await send(client, origin)
  const { dns, connect: connected, tls, first_byte, total, reused } = first.timings
  assert.equal(reused, false)
  assert.ok(dns !== null && connected !== null && tls !== null && first_byte !== null)
  assert.ok(connected > 0 && tls > 0)
  assert.ok(dns + connected + tls <= first_byte && first_byte <= total, JSON.stringify(first.timings))
  assert.match(first.remoteAddress ?? '', /^(127\.0\.0\.1|::1)$/)
  const second = await send(client, origin)
  assert.deepEqual(
    { ...second.timings, first_byte: 0, total: 0 },
    {
      reused: true,
      repeated: false,
      dns: null,
      connect: null,
      tls: null,
      first_byte: 0,
      total: 0,
    },
  )
  assert.equal(second.remoteAddress, first.remoteAddress)
})

test('an address needs no look-up, and plain HTTP no TLS', async t => {
  await using receiver = await startReceiver({ status: 500 })
  const { send: sendTo } = httpDestination(t, { capture: all.capture })
  const { exchange } = await sendTo(receiver.origin)
  assert.ok(exchange)
  assert.deepEqual([exchange.timings.reused, exchange.timings.dns, exchange.timings.tls], [false, 0, null])
  assert.ok(exchange.timings.connect !== null)
  await connectionFree()
  assert.equal((await sendTo(receiver.origin)).exchange?.timings.reused, true)
})

test('a port where nobody listens has the address that was tried', async t => {
  const receiver = await startReceiver()
  await receiver.close()
  const { send: sendTo } = httpDestination(t, { capture: all.capture })
  const { exchange } = await sendTo(receiver.origin)
  assert.equal(exchange?.remoteAddress, '127.0.0.1')
  assert.deepEqual([exchange?.timings.connect, exchange?.timings.first_byte], [null, null])
})

test('a connection that was closed is made anew, and has its times again', async t => {
  await using receiver = await startReceiver({ headers: { connection: 'close' } })
  const client = new TracedClient(new URL(receiver.origin), {})
  t.after(() => client.destroy())
  assert.equal((await send(client, receiver.origin)).timings.reused, false)
  assert.equal((await send(client, receiver.origin)).timings.reused, false)
  assert.equal(receiver.connections, 2)
})

test('a connector that gives no socket back is told where to note what it did', async t => {
  await using receiver = await startReceiver()
  const own = buildConnector({ allowH2: false })
  const client = new TracedClient(new URL(receiver.origin), {
    connect(options, callback) {
      assert.ok('trace' in options)
      // undici's types have no place for what its connectors hand on.
      const { trace } = options as unknown as { trace: { lookedUp(): void; follow(socket: unknown): void } }
      setTimeout(() => {
        trace.lookedUp()
        trace.follow(own(options, callback))
      }, 20)
    },
  })
  t.after(() => client.destroy())
  const { timings } = await send(client, receiver.origin)
  assert.ok(timings.dns !== null && timings.dns >= 19 && timings.connect !== null)
})
