import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { Egress } from '../../src/egress/egress.ts'
import type { TlsIdentity } from '../../src/egress/tls-identity.ts'
import { issue, makeAuthority } from '../support/certificate.ts'
import { testEgress } from '../support/egress.ts'
import { classOf, httpDestination } from '../support/http-destination.ts'
import { startProxy } from '../support/proxy.ts'

const [serverAuthority, clientAuthority] = await Promise.all([
  makeAuthority('servers'),
  makeAuthority('clients'),
])
const server = await issue(serverAuthority, { type: 'dns', name: 'localhost' })
const client = await issue(clientAuthority, { type: 'dns', name: 'client.test' })
const ca = serverAuthority.certificate.toString('pem')

const withCertificate: TlsIdentity = { id: 'one', certificate: client.cert, key: client.key, ca }
const withoutOne: TlsIdentity = { id: 'two', certificate: null, key: null, ca }

/** A server that lets in only who shows a certificate of the authority for clients. @returns its port, and whom it saw */
async function start(t: TestContext, options: ServerOptions = {}) {
  const seen: (string | undefined)[] = []
  const secure = createServer(
    {
      ...server,
      ...{ requestCert: true, rejectUnauthorized: true, ca: clientAuthority.certificate.toString('pem') },
      ...options,
    },
    (request, response) => {
      seen.push((request.socket as TLSSocket).getPeerX509Certificate()?.subjectAltName)
      response.end()
    },
  )
  secure.listen(0, '127.0.0.1')
  await once(secure, 'listening')
  t.after(() => {
    secure.closeAllConnections()
    secure.close()
  })
  const { port } = secure.address() as AddressInfo // it listens on TCP
  return { origin: `https://localhost:${port}`, seen }
}

function sender(t: TestContext, egress: Egress, identity: TlsIdentity) {
  t.after(() => egress.close())
  return httpDestination(t, { connectorFor: () => egress.connectorOf(identity) }).send
}

test('a receiver that asks for a client certificate sees that of the subscription, directly and through a proxy', async t => {
  const { origin, seen } = await start(t)
  const proxy = await startProxy(t)
  for (const egress of [testEgress(), testEgress({ egressProxy: `http://${proxy.address}` })]) {
    const send = sender(t, egress, withCertificate)
    for (let n = 0; n < 2; n++) assert.equal(classOf(await send(origin)), 'accepted')
  }
  assert.deepEqual(seen, Array(4).fill('DNS:client.test'))
  assert.equal(proxy.asked.length > 0, true)
})

test('without the certificate it is not let in, and without its own authority the receiver is not believed', async t => {
  const { origin, seen } = await start(t)
  const proxy = await startProxy(t)
  for (const egress of [testEgress(), testEgress({ egressProxy: `http://${proxy.address}` })]) {
    const outcome = await sender(t, egress, withoutOne)(origin)
    assert.equal(classOf(outcome), 'tls')
    assert.equal(Object(outcome).errorCode, 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
  }
  const trusting = await sender(t, testEgress(), { ...withCertificate, id: 'three', ca: null })(origin)
  assert.equal(classOf(trusting), 'tls')
  assert.deepEqual(seen, [])
})

test('an own authority is believed alone: a certificate that the others believe is refused', async t => {
  const { origin } = await start(t, { requestCert: false })
  const other = { ...withoutOne, ca: clientAuthority.certificate.toString('pem') }
  assert.equal(classOf(await sender(t, testEgress({ ca }), other)(origin)), 'tls')
  assert.equal(classOf(await sender(t, testEgress(), withoutOne)(origin)), 'accepted')
})

test('old versions of TLS stay refused, and the guard stays in force', async t => {
  const { origin } = await start(t, { requestCert: false, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' })
  assert.equal(classOf(await sender(t, testEgress(), withoutOne)(origin)), 'tls')
  const inside = await start(t)
  const guarded = testEgress({ allowPrivateTargets: false })
  assert.equal(classOf(await sender(t, guarded, withCertificate)(inside.origin)), 'blocked')
})

test('a certificate that OpenSSL does not take fails the attempt, and nothing is thrown', async t => {
  const broken = { ...withCertificate, id: 'broken', key: 'no key' }
  const outcome = await sender(t, testEgress(), broken)('https://localhost:9')
  assert.equal(classOf(outcome), 'tls')
})

test('an identity keeps its connector, and with it its TLS sessions', () => {
  const egress = testEgress()
  const connector = egress.connectorOf(withCertificate)
  assert.equal(egress.connectorOf({ ...withCertificate }), connector)
  assert.notEqual(egress.connectorOf(withoutOne), connector)
  assert.notEqual(egress.connector, connector)
})
