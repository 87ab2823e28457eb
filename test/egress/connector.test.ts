import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerOptions } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { guardedConnector } from '../../src/egress/connector.ts'
import type { EgressOptions } from '../../src/egress/egress.ts'
import { HostsFile } from '../../src/egress/hosts-file.ts'
import { Resolver } from '../../src/egress/resolver.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { startBlackHole } from '../support/black-hole.ts'
import { makeCertificate } from '../support/certificate.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { testEgress } from '../support/egress.ts'
import { classOf, errorOf, httpDestination, type RequestOptions } from '../support/http-destination.ts'
import { startReceiver } from '../support/receiver.ts'

const certificate = await makeCertificate('receiver.test')

/** A receiver over TLS. @returns its port, and the name and TLS version each request came with */
async function secureReceiver(t: TestContext, options: ServerOptions) {
  const seen: { readonly servername: unknown; readonly host: unknown; readonly protocol: unknown }[] = []
  const server = createServer(options, (request, response) => {
    const socket = request.socket as Socket & { servername?: unknown; getProtocol?: () => unknown } // a TLS socket
    seen.push({ servername: socket.servername, host: request.headers.host, protocol: socket.getProtocol?.() })
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, seen } // it listens on TCP
}

async function send(
  t: TestContext,
  origin: string,
  options: Partial<EgressOptions> = {},
  request: RequestOptions = {},
): Promise<Outcome> {
  await using dns = await startDnsServer({ 'receiver.test': ['127.0.0.1'], 'other.test': ['127.0.0.1'] })
  const resolver = new Resolver({ servers: [dns.address], hostsFile: new HostsFile('no-such-file') })
  const { connector } = testEgress({ resolver, ...options })
  // Awaited here, as the name server goes at the end of this function.
  return await httpDestination(t, { connector }).send(origin, request)
}

test('TLS is asked for by name, and the certificate has to be for that name', async t => {
  const { cert, key } = certificate
  const { port, seen } = await secureReceiver(t, { cert, key })
  assert.equal(classOf(await send(t, `https://receiver.test:${port}`, { ca: cert })), 'accepted')
  const protocol = 'TLSv1.3'
  assert.deepEqual(seen, [{ servername: 'receiver.test', host: `receiver.test:${port}`, protocol }])
  assert.equal(classOf(await send(t, `https://other.test:${port}`, { ca: cert })), 'tls')
  assert.equal(classOf(await send(t, `https://127.0.0.1:${port}`, { ca: cert })), 'tls')
  assert.equal(
    classOf(await send(t, `https://receiver.test:${port}`)),
    'tls',
    'a certificate nobody vouches for',
  )
  assert.equal(seen.length, 1)
})

test('a name that ends with a dot is asked for and verified without it, and stays as it is in Host', async t => {
  const { cert, key } = certificate
  const { port, seen } = await secureReceiver(t, { cert, key })
  assert.equal(classOf(await send(t, `https://receiver.test.:${port}`, { ca: cert })), 'accepted')
  assert.deepEqual([seen[0]?.servername, seen[0]?.host], ['receiver.test', `receiver.test.:${port}`])
  assert.equal(classOf(await send(t, `https://other.test.:${port}`, { ca: cert })), 'tls')
})

test('TLS older than 1.2 is not spoken', async t => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
  const { port, seen } = await secureReceiver(t, { ...certificate, ...old })
  const outcome = await send(t, `https://receiver.test:${port}`, { ca: certificate.cert })
  assert.equal(classOf(outcome), 'tls')
  assert.equal(seen.length, 0)
})

test('no environment variable switches verification off', async t => {
  const { port, seen } = await secureReceiver(t, { ...certificate })
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.after(() => {
    delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
  })
  assert.equal(classOf(await send(t, `https://receiver.test:${port}`)), 'tls')
  assert.equal(seen.length, 0)
})

test('a handshake that does not end in time is given up, long before the attempt is', async t => {
  const silent = createTcpServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as AddressInfo // it listens on TCP
  const outcome = await send(t, `https://receiver.test:${port}`, {}, { connectTimeoutMs: 150 })
  assert.equal(errorOf(outcome), 'no connection within 150 ms')
  assert.equal(classOf(outcome), 'timeout')
  assert.ok(outcome.durationMs >= 145, `${outcome.durationMs}`)
})

test('a name server that is slow uses up the time for the connection, and the class is dns', async t => {
  await using dns = await startDnsServer({ 'slow.test': 'silent' })
  const resolver = new Resolver({ servers: [dns.address], hostsFile: new HostsFile('no-such-file') })
  const outcome = await send(t, 'http://slow.test', { resolver }, { connectTimeoutMs: 150 })
  assert.deepEqual(
    { ...outcome, durationMs: 0 },
    {
      kind: 'unreachable',
      fault: 'name',
      errorClass: 'dns',
      errorCode: 'ETIMEOUT',
      error: 'the name of this host could not be looked up within 150 ms',
      durationMs: 0,
    },
  )
  assert.ok(outcome.durationMs >= 145, `${outcome.durationMs}`)
})

test('an address that answers nothing at all fails when the time for the connection is over', async t => {
  await using hole = await startBlackHole()
  const outcome = await send(t, hole.origin, {}, { connectTimeoutMs: 150 })
  assert.deepEqual(
    { ...outcome, durationMs: 0 },
    {
      kind: 'unreachable',
      fault: 'receiver',
      errorClass: 'timeout',
      errorCode: 'UND_ERR_CONNECT_TIMEOUT',
      error: 'no connection within 150 ms',
      durationMs: 0,
    },
  )
  assert.ok(outcome.durationMs >= 145, `${outcome.durationMs}`)
})

test('requests to one origin each have their own time for the connection', async t => {
  await using hole = await startBlackHole()
  const { send: sendTo } = httpDestination(t)
  const outcomes = await Promise.all(
    [100, 300, 500].map(connectTimeoutMs => sendTo(hole.origin, { connectTimeoutMs })),
  )
  assert.deepEqual(
    outcomes.map(errorOf),
    [100, 300, 500].map(ms => `no connection within ${ms} ms`),
  )
})

test('where the whole attempt has no more time than the connection, the log says which of them was missing', async t => {
  await using hole = await startBlackHole()
  const outcome = await send(t, hole.origin, {}, { connectTimeoutMs: 150, timeoutMs: 150 })
  assert.equal(outcome.kind === 'unreachable' && outcome.errorCode, 'UND_ERR_CONNECT_TIMEOUT')
  assert.equal(errorOf(outcome), 'no connection within 150 ms')
})

test('a connection that is open already has no time to be made in', async t => {
  await using receiver = await startReceiver((_, index) => (index === 1 ? { delayMs: 300 } : {}))
  const { send: sendTo } = httpDestination(t)
  assert.equal(classOf(await sendTo(receiver.origin)), 'accepted')
  await new Promise(resolve => setImmediate(resolve)) // the outcome is known before the connection is free
  assert.equal(classOf(await sendTo(receiver.origin, { connectTimeoutMs: 100 })), 'accepted')
  assert.equal(receiver.connections, 1)
})

test('a connection that leads elsewhere than it was told is closed unused', async t => {
  await using receiver = await startReceiver()
  const resolver = new Resolver({ hostsFile: new HostsFile('no-such-file') })
  const refused: object[] = []
  let asked = 0
  const connector = guardedConnector({
    guard: () => asked++ === 0, // allowed when it is asked for, not when it is there
    resolver,
    onRefused: refusal => refused.push(refusal),
    connectTimeoutMs: 1000,
  })
  assert.equal(classOf(await httpDestination(t, { connector }).send(receiver.origin)), 'blocked')
  assert.deepEqual(refused, [{ host: '127.0.0.1', address: '127.0.0.1' }])
  assert.equal(receiver.received.length, 0)
})
