import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'
import { ConnectionPools } from '../../../src/destinations/http/connection-pools.ts'
import type { Connector } from '../../../src/egress/connector.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { testEgress } from '../../support/egress.ts'
import { httpDestination } from '../../support/http-destination.ts'
import { startReceiver } from '../../support/receiver.ts'

test('subscriptions with the same origin and the same connector share a connection', async t => {
  await using receiver = await startReceiver()
  const { send } = httpDestination(t)
  for (const id of [1, 2, 3]) {
    await send(receiver.origin, { id })
    await new Promise(resolve => setImmediate(resolve)) // the outcome is known before the connection is free
  }
  assert.equal(receiver.connections, 1)
})

test('two that differ in their client certificate never share a connection, and each shows its own', async t => {
  const server = await makeCertificate('localhost')
  const clients = await Promise.all([makeCertificate('first.test'), makeCertificate('second.test')])
  const seen: { readonly by: string | undefined; readonly connection: number | undefined }[] = []
  const secure = createServer(
    { ...server, requestCert: true, rejectUnauthorized: false },
    (request, response) => {
      const socket = request.socket as TLSSocket
      seen.push({ by: socket.getPeerX509Certificate()?.subjectAltName, connection: socket.remotePort })
      response.end()
    },
  )
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  t.after(() => {
    secure.closeAllConnections()
    secure.close()
  })
  const origin = `https://localhost:${(secure.address() as AddressInfo).port}` // it listens on TCP
  const connectors = clients.map(client => buildConnector({ ca: server.cert, ...client, allowH2: false }))
  const { send } = httpDestination(t, {
    connectorFor: ({ id }) => connectors[id] ?? assert.fail('there are two'),
  })
  for (const id of [0, 1, 0, 1, 1, 0]) {
    assert.equal((await send(origin, { id })).kind, 'accepted')
    await new Promise(resolve => setImmediate(resolve)) // the outcome is known before the connection is free
  }
  const [first, second] = ['DNS:first.test', 'DNS:second.test']
  assert.deepEqual(
    seen.map(({ by }) => by),
    [first, second, first, second, second, first],
  )
  const connectionsOf = (name: string | undefined) =>
    new Set(seen.filter(({ by }) => by === name).map(({ connection }) => connection))
  assert.deepEqual([connectionsOf(first).size, connectionsOf(second).size], [1, 1])
  assert.equal(new Set(seen.map(({ connection }) => connection)).size, 2)
})

test('a route is its origin, its connector and its credentials, and nothing else', async t => {
  const pools = new ConnectionPools()
  t.after(() => pools.destroy())
  const direct = testEgress().connector
  const other: Connector = (options, callback) => direct(options, callback)
  const pool = pools.poolFor({ origin: 'http://a.test', connector: direct })
  assert.equal(pools.poolFor({ origin: 'http://a.test', connector: direct }), pool)
  for (const route of [
    { origin: 'https://a.test', connector: direct },
    { origin: 'http://a.test:81', connector: direct },
    { origin: 'http://b.test', connector: direct },
    { origin: 'http://a.test', connector: other },
    { origin: 'http://a.test', connector: direct, credentials: '1 abc' },
  ]) {
    assert.notEqual(pools.poolFor(route), pool)
  }
})

test('where there are as many connections as there may be, idle ones make room, and no request waits', async t => {
  const receivers = await Promise.all(Array.from({ length: 30 }, () => startReceiver()))
  t.after(() => Promise.all(receivers.map(receiver => receiver.close())))
  const { send, destination } = httpDestination(t, { connectionsMax: 8 })
  for (const { origin } of receivers) {
    assert.equal((await send(origin)).kind, 'accepted')
    for (let n = 0; n < 3; n++) await new Promise(resolve => setImmediate(resolve)) // the connection is free then
    assert.ok(destination.figures.connections <= 8, `${destination.figures.connections} are open`)
  }
})
