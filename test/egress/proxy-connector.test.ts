import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { type TestContext, test } from 'node:test'
import { makeCertificate } from '../support/certificate.ts'
import { testEgress } from '../support/egress.ts'
import { classOf, httpDestination, type RequestOptions } from '../support/http-destination.ts'
import { startProxy } from '../support/proxy.ts'
import { startReceiver } from '../support/receiver.ts'

function senderThrough(t: TestContext, egressProxy: string, allowPrivateTargets = true) {
  const egress = testEgress({ egressProxy, allowPrivateTargets })
  t.after(() => egress.close())
  const { send: sendTo } = httpDestination(t, { connector: egress.connector })
  const send = (origin: string, request: RequestOptions = {}) =>
    sendTo(origin, { path: '/x', headers: ['a', 'b'], ...request })
  return { egress, send }
}

test('deliveries go through the proxy, names unresolved, connections used again', async t => {
  await using receiver = await startReceiver()
  const proxy = await startProxy(t)
  const { send } = senderThrough(t, `http://user:p%40ss@${proxy.address}`)
  const origin = `http://receiver.nowhere.test:${new URL(receiver.origin).port}`
  for (let n = 0; n < 3; n++) {
    assert.equal(classOf(await send(origin)), 'accepted')
    await new Promise(resolve => setImmediate(resolve)) // the outcome is known before the connection is free
  }
  const authorization = `Basic ${Buffer.from('user:p@ss').toString('base64')}`
  assert.deepEqual(proxy.asked, [{ to: origin.slice('http://'.length), authorization }])
  assert.equal(receiver.received.length, 3)
  const [request] = receiver.received
  assert.equal(request?.path, '/x')
  assert.equal(request?.headers.host, origin.slice('http://'.length))
  assert.equal(request?.headers['proxy-authorization'], undefined, 'the password stays with the proxy')
})

test('TLS is spoken with the receiver, within the tunnel', async t => {
  const certificate = await makeCertificate('receiver.test')
  const server = createSecureServer({ ...certificate }, (_, response) => response.end()).listen(
    0,
    '127.0.0.1',
  )
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const proxy = await startProxy(t)
  const outcome = await senderThrough(t, `http://${proxy.address}`).send(`https://receiver.test:${port}`)
  assert.equal(classOf(outcome), 'tls', 'nobody vouches for its certificate, and the proxy is not to blame')
  assert.deepEqual(
    proxy.asked.map(({ to }) => to),
    [`receiver.test:${port}`],
  )
})

test('a proxy that refuses or is away is no fault of the receiver', async t => {
  for (const status of [403, 407, 502]) {
    const proxy = await startProxy(t, status)
    const outcome = await senderThrough(t, `http://${proxy.address}`).send('http://receiver.test')
    assert.deepEqual(
      { ...outcome, durationMs: 0 },
      {
        kind: 'unreachable',
        fault: status === 407 ? 'ours' : 'proxy',
        errorClass: 'proxy',
        errorCode: status === 407 ? 'PROXY_UNAVAILABLE' : 'PROXY_REFUSED',
        error: `the egress proxy answered ${status}`,
        durationMs: 0,
      },
    )
  }
  const gone = await startReceiver()
  await gone.close()
  const outcome = await senderThrough(t, gone.origin).send('http://receiver.test')
  assert.equal(classOf(outcome), 'proxy')
  assert.equal(outcome.kind === 'unreachable' && outcome.errorCode, 'PROXY_UNAVAILABLE')
  assert.equal(outcome.kind === 'unreachable' && outcome.error, 'the egress proxy cannot be reached')
})

test('tunnel and handshake share the time for the connection', async t => {
  const silent = createServer()
  silent.on('connect', () => {}) // takes what is asked of it, and says nothing
  const mute = createTcpServer(() => {})
  for (const server of [silent, mute]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
  }
  const portOf = (server: Server) => (server.address() as AddressInfo).port // they listen on TCP
  const hanging = senderThrough(t, `http://127.0.0.1:${portOf(silent)}`)
  const noTunnel = await hanging.send('http://receiver.test', { connectTimeoutMs: 150 })
  assert.deepEqual(
    noTunnel.kind === 'unreachable' && [noTunnel.errorClass, noTunnel.errorCode, noTunnel.error],
    ['proxy', 'PROXY_TIMEOUT', 'no connection through the egress proxy within 150 ms'],
  )
  silent.closeAllConnections()

  const proxy = await startProxy(t)
  const { send } = senderThrough(t, `http://${proxy.address}`)
  const noHandshake = await send(`https://receiver.test:${portOf(mute)}`, { connectTimeoutMs: 150 })
  assert.deepEqual(
    noHandshake.kind === 'unreachable' && [noHandshake.errorClass, noHandshake.errorCode, noHandshake.error],
    ['timeout', 'UND_ERR_CONNECT_TIMEOUT', 'no connection within 150 ms'],
  )
  for (const { durationMs } of [noTunnel, noHandshake]) {
    assert.ok(durationMs >= 145, `${durationMs}`)
  }
})

test('what needs no look-up is refused before the proxy is asked', async t => {
  const proxy = await startProxy(t)
  const { egress, send } = senderThrough(t, `http://${proxy.address}`, false)
  for (const origin of ['http://127.0.0.1', 'http://[::1]', 'http://169.254.169.254', 'http://localhost']) {
    assert.equal(classOf(await send(origin)), 'blocked', origin)
    assert.match((await egress.check(new URL(origin))) ?? '', /^the address of this host is not allowed; /)
  }
  assert.deepEqual(proxy.asked, [])
})
