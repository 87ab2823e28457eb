import 'reflect-metadata'
import assert from 'node:assert/strict'
import { createPublicKey, type KeyObject, webcrypto } from 'node:crypto'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, type TestContext, test } from 'node:test'
import { X509CertificateGenerator } from '@peculiar/x509'
import type { Connector } from '../../src/egress/connector.ts'
import { guardedGet } from '../../src/egress/guarded-get.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import type { Published } from '../../src/publish/publisher.ts'
import { Certificates, type Visit } from '../../src/sources/certificates.ts'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import type { KnownSource } from '../../src/sources/known-sources.ts'
import { presetOf } from '../../src/sources/presets.ts'
import { SourceReceiving } from '../../src/sources/receive.ts'
import { certificateWanted } from '../../src/sources/verify-certificate.ts'
import { type Authority, dayMs, issue, makeAuthority } from '../support/certificate.ts'
import { attempts, guardedWorld } from '../support/guarded-world.ts'
import { certified, providers, type Sent, snsMessage } from '../support/providers.ts'

// A server that stands for Amazon's: names lead to it, and its TLS certificate is for Amazon's name.

const amazon = 'sns.us-east-1.amazonaws.com'
const topic = 'arn:aws:sns:us-east-1:123456789012:orders'

let authority: Authority
let server: Server
let port: string
/** What was asked for, and how it is answered. */
let asked: string[] = []
let status = 200
let pem: string
before(async () => {
  authority = await makeAuthority('an authority')
  const tls = await issue(authority, { type: 'dns', name: amazon })
  pem = await certificateFor(certified.publicKey)
  server = createServer(tls, (request, response) => {
    asked.push(request.url ?? '')
    const inside = { location: `https://127.0.0.1:${port}/inside.pem` }
    response
      .writeHead(status, status === 302 ? inside : {})
      .end(request.url?.endsWith('.pem') ? pem : '<ConfirmSubscriptionResponse/>')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  port = String((server.address() as AddressInfo).port) // it listens on TCP
})
after(() => server.close())

async function certificateFor(key: KeyObject, endsInMs = dayMs): Promise<string> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
  const spki = new Uint8Array(key.export({ format: 'der', type: 'spki' }))
  const publicKey = await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify'])
  const made = await X509CertificateGenerator.create({
    ...{ subject: 'CN=sns.amazonaws.com', issuer: 'CN=an authority', serialNumber: '01' },
    ...{ notBefore: new Date(Date.now() - 2 * dayMs), notAfter: new Date(Date.now() + endsInMs) },
    ...{ publicKey, signingKey: authority.keys.privateKey },
    signingAlgorithm: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  })
  return made.toString('pem')
}

/** The real way out, with the rules of server mode but for the address of the server, which has another port here. */
async function visitThrough(t: TestContext, allowed = true, addresses = ['127.0.0.1']): Promise<Visit> {
  const { egress } = await guardedWorld(
    t,
    { [amazon]: addresses },
    { ca: authority.certificate.toString('pem'), allowPrivateTargets: allowed },
  )
  const connector: Connector = (options, callback) => egress.connector({ ...options, port }, callback)
  return url => guardedGet(connector, url, { bytesMax: 10_000, timeoutMs: 5000, userAgent: 'test/1' })
}

interface World {
  readonly send: (sent: Partial<Sent>) => Promise<unknown>
  readonly refused: readonly string[]
  readonly published: readonly (string | null)[]
}

function worldWith(visit: Visit, presetId = 'aws-sns', secrets: readonly string[] = [topic]): World {
  const preset = presetOf(presetId)
  assert.ok(preset)
  const source = {
    ...{ id: 1, tenant: 'default', name: 'x', presetId, publicUrl: '', channels: [], metadata: {} },
    ...{ verification: preset.verification, challenge: preset.challenge },
    secrets: secrets.map(text => ({ text, expiresAt: null })),
    ...{ toleranceSeconds: undefined, typePlaces: preset.eventType, typeTemplate: undefined },
    ...{ dedupe: [], forwardHeaders: [], forwardPrefix: '', answer: undefined },
  } satisfies KnownSource
  const [refused, published]: [string[], (string | null)[]] = [[], []]
  const clock = { now: Date.now }
  const receiving = new SourceReceiving({
    sources: { ofToken: () => source },
    records: { accepted: () => {}, refused: (_id, { reason }) => void refused.push(reason) },
    publisher: {
      publish: async ({ eventType }) => {
        published.push(eventType)
        return { webhookId: 'w', deliveries: 0 } as unknown as Published // an id that nobody looks at
      },
    },
    once: { accept: async (_names, accept) => ({ ...(await accept()), isReplayed: false }) },
    ...{ clock, visit, certificates: new Certificates({ visit, clock, logger: silentLogger() }) },
    ...{ isDeleted: () => false, secondLookMs: 0 },
  })
  const send = ({ headers = {}, ...sent }: Partial<Sent>) =>
    receiving.receive('token', {
      ...{ method: 'POST', search: '', headers, headersDistinct: {} },
      body: Buffer.from(sent.body ?? ''),
    })
  return { send, refused, published }
}

const notification = { Type: 'Notification', MessageId: 'm', TopicArn: topic, Message: 'hello' }
const subscribeUrl = `https://${amazon}/?Action=ConfirmSubscription&TopicArn=${topic}&Token=2336412f37fb687f`
const confirmation = {
  ...{ Type: 'SubscriptionConfirmation', MessageId: 'c', Token: '2336412f37fb687f', TopicArn: topic },
  ...{ Message: 'You have chosen to subscribe', SubscribeURL: subscribeUrl },
}
const code = (error: unknown) => Object(error).code

test('a message of Amazon SNS is believed by the certificate of its host, which is fetched once', async t => {
  asked = []
  const { send, published } = worldWith(await visitThrough(t))
  await Promise.all([
    send({ body: snsMessage(notification, Date.now(), '1') }),
    send({ body: snsMessage({ ...notification, Subject: 'with a subject' }, Date.now(), '2') }),
  ])
  await send({ body: snsMessage(notification, Date.now()) })
  assert.deepEqual(published, ['Notification', 'Notification', 'Notification'])
  assert.deepEqual(asked, ['/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem'])
})

test('a changed byte, another time, an old message and another topic are refused, each with its reason', async t => {
  const { send, refused, published } = worldWith(await visitThrough(t))
  const good = snsMessage(notification, Date.now())
  const other = { ...notification, TopicArn: topic.replace('orders', 'other') }
  for (const body of [
    good.replace('hello', 'hellO'),
    good.replace(/"Timestamp":"[^"]+"/, `"Timestamp":"${new Date(Date.now() + 1000).toISOString()}"`),
    snsMessage(notification, Date.now() - 3_901_000),
    snsMessage(other, Date.now()),
    good.replace('"SignatureVersion":"2"', '"SignatureVersion":"3"'),
    good.replace(/"Signature":"[^"]+"/, '"Signature":"AAAA"'),
    '{}',
  ])
    await assert.rejects(send({ body }), { code: 'invalid_signature' })
  assert.deepEqual(refused, [
    ...['signature_mismatch', 'signature_mismatch', 'timestamp_too_old', 'unknown_sender'],
    ...['malformed_signature', 'signature_mismatch', 'missing_signature'],
  ])
  assert.deepEqual(published, [])
})

test('a certificate is fetched from the host of the provider only, and only for a topic that is expected', async t => {
  const tried = attempts(t)
  const visited: string[] = []
  const { send, refused } = worldWith(async url => {
    visited.push(url)
    throw new Error('nothing is to be visited')
  })
  const at = (url: string) => {
    const message = JSON.parse(snsMessage(notification, Date.now()))
    return JSON.stringify({ ...message, SigningCertURL: url })
  }
  const file = 'SimpleNotificationService-0123456789abcdef.pem'
  for (const url of [
    'http://169.254.169.254/latest/meta-data/iam/security-credentials/',
    `http://${amazon}/${file}`,
    `https://${amazon}.evil.example/${file}`,
    `https://evil.example/${amazon}/${file}`,
    `https://${amazon}@10.0.0.1/${file}`,
    `https://${amazon}:8443/${file}`,
    `https://sns.us-east-1.amazonaws.com.evil/${file}`,
    `https://s3.us-east-1.amazonaws.com/${file}`,
    `https://sns.a.b.amazonaws.com/${file}`,
    `https://${amazon}/../${file}`,
    `https://${amazon}/${file}?x=1`,
    `https://${amazon}/${file}#x`,
    ` https://${amazon}/${file}`,
    `https://${amazon}/${file}\n`,
    `https://user:password@${amazon}/${file}`,
    `https://${amazon}\\@10.0.0.1/${file}`,
    `https://[::1]/${file}`,
    `https://[::ffff:169.254.169.254]/${file}`,
    `https://[fe80::1%25eth0]/${file}`,
    `https://2852039166/${file}`,
    `https://${amazon}。evil.example/${file}`,
    `https://${amazon}%2f@evil.example/${file}`,
    `HTTPS://${amazon}/${file}`,
    `https://${amazon}/${file}\u0000`,
    `https://${'a'.repeat(5000)}`,
    'file:///etc/passwd',
  ])
    await assert.rejects(send({ body: at(url) }), { code: 'invalid_signature' }, url)
  assert.deepEqual(new Set(refused), new Set(['foreign_certificate']))
  await assert.rejects(send({ body: snsMessage({ ...notification, TopicArn: 'arn:aws:sns:x' }, Date.now()) }))
  assert.deepEqual(visited, [])
  assert.deepEqual(tried, [])
})

test('where the name of the provider leads to inside, nothing is connected to, and it is asked to send again', async t => {
  const tried = attempts(t)
  const { send, refused } = worldWith(await visitThrough(t, false))
  await assert.rejects(send({ body: snsMessage(notification, Date.now()) }), error => {
    assert.equal(code(error), 'certificate_unavailable')
    return true
  })
  assert.deepEqual(refused, ['certificate_unavailable'])
  assert.deepEqual(tried, [])
})

test('a redirect of the provider is not followed, and a name with one address inside is refused whole', async t => {
  const tried = attempts(t)
  asked = []
  status = 302
  t.after(() => {
    status = 200
  })
  const redirected = worldWith(await visitThrough(t))
  await assert.rejects(redirected.send({ body: snsMessage(notification, Date.now()) }))
  assert.deepEqual(redirected.refused, ['certificate_unavailable'])
  assert.deepEqual(asked, ['/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem'])
  assert.equal(tried.length, 1)
  for (const addresses of [
    ['203.0.114.7', '10.0.0.1'],
    ['::ffff:10.0.0.1'],
    ['fd00::1'],
    ['169.254.169.254'],
  ]) {
    const inside = worldWith(await visitThrough(t, false, addresses))
    await assert.rejects(inside.send({ body: snsMessage(notification, Date.now()) }))
    assert.deepEqual(inside.refused, ['certificate_unavailable'])
  }
  assert.equal(tried.length, 1, `${tried}`)
})

test('a certificate that is not valid now, or that is none, is as if there were none', async t => {
  const good = pem
  t.after(() => {
    pem = good
    status = 200
  })
  for (const [text, answered] of [
    [await certificateFor(certified.publicKey, -dayMs), 200],
    ['no certificate', 200],
    [good, 404],
    ['x'.repeat(20_000), 200],
  ] as const) {
    pem = text
    status = answered
    const { send, refused } = worldWith(await visitThrough(t))
    await assert.rejects(send({ body: snsMessage(notification, Date.now()) }), error => {
      assert.equal(code(error), 'certificate_unavailable')
      return true
    })
    assert.deepEqual(refused, ['certificate_unavailable'])
  }
})

test('what could not be fetched is not asked for again at once; what was fetched stays good meanwhile', async () => {
  let now = Date.now()
  let visits = 0
  let answer: () => Promise<{ status: number; body: Buffer }> = async () => {
    throw new Error('away')
  }
  const certificates = new Certificates({
    visit: () => {
      visits++
      return answer()
    },
    ...{ clock: { now: () => now }, logger: silentLogger() },
  })
  const url = `https://${amazon}/SimpleNotificationService-00.pem`
  await certificates.fetch(url)
  await certificates.fetch(url)
  assert.equal(visits, 1)
  now += 10_000
  answer = async () => ({ status: 200, body: Buffer.from(pem) })
  await certificates.fetch(url)
  assert.ok(certificates.keyOf(url)?.equals(createPublicKey(pem)))
  now += dayMs / 2
  await certificates.fetch(url)
  assert.equal(visits, 2)
  answer = async () => ({ status: 500, body: Buffer.alloc(0) })
  now += dayMs / 2 - 60_000
  await certificates.fetch(url)
  assert.ok(certificates.keyOf(url))
  for (let n = 0; n < 60; n++)
    await certificates.fetch(`https://${amazon}/SimpleNotificationService-${n}.pem`)
  assert.equal(certificates.keyOf(url), undefined, 'the oldest makes room')
})

test('a subscription is confirmed by a visit to Amazon, when the message is signed and its topic expected', async t => {
  asked = []
  const { send } = worldWith(await visitThrough(t))
  const confirmed = (await send({ body: snsMessage(confirmation, Date.now()) })) as { kind: string }
  assert.equal(confirmed.kind, 'challenge')
  assert.deepEqual(
    asked.map(url => url.split('?')[0]),
    ['/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem', '/'],
  )
  asked = []
  const forged = snsMessage(confirmation, Date.now()).replace('You have', 'You  have')
  await assert.rejects(send({ body: forged }), { code: 'invalid_signature' })
  const theirs = { ...confirmation, TopicArn: topic.replace('orders', 'theirs') }
  await assert.rejects(send({ body: snsMessage(theirs, Date.now()) }), { code: 'invalid_signature' })
  assert.deepEqual(asked, [])
})

test('a confirmation that leads elsewhere is not visited; one that fails is asked for again', async t => {
  asked = []
  const { send, published } = worldWith(await visitThrough(t))
  const elsewhere = {
    ...confirmation,
    SubscribeURL: 'http://169.254.169.254/?Action=ConfirmSubscription&a=1',
  }
  // It is signed, so it is an event like others.
  await send({ body: snsMessage(elsewhere, Date.now()) })
  assert.deepEqual(published, ['SubscriptionConfirmation'])
  status = 500
  t.after(() => {
    status = 200
  })
  await assert.rejects(send({ body: snsMessage(confirmation, Date.now()) }), error => {
    assert.equal(code(error), 'certificate_unavailable')
    return true
  })
})

test('PayPal: what is signed has the id of the webhook, and a changed time or body is found', async () => {
  const provider = providers.paypal
  assert.ok(provider)
  const [webhook, other] = provider.secrets
  const visit = async () => ({ status: 200, body: Buffer.from(pem) })
  const { send, refused, published } = worldWith(visit, 'paypal', [webhook])
  const sent = provider.send(webhook, Date.now(), provider.body)
  await send(sent)
  assert.deepEqual(published, ['order.paid'])
  const at = new Date(Date.now() + 5000).toISOString()
  for (const wrong of [
    { ...sent, body: sent.body.replace('paid', 'paiD') },
    { ...sent, headers: { ...sent.headers, 'paypal-transmission-time': at } },
    { ...sent, headers: { ...sent.headers, 'paypal-transmission-id': 't-2' } },
    provider.send(other, Date.now(), provider.body),
    { ...sent, headers: { ...sent.headers, 'paypal-cert-url': 'https://api.paypal.com.evil.example/x' } },
    { ...sent, headers: { ...sent.headers, 'paypal-auth-algo': 'MD5withRSA' } },
  ])
    await assert.rejects(send(wrong), { code: 'invalid_signature' })
  assert.deepEqual(refused, [
    ...['signature_mismatch', 'signature_mismatch', 'signature_mismatch', 'signature_mismatch'],
    ...['foreign_certificate', 'malformed_signature'],
  ])
})

test('only what is else in order makes a certificate wanted', () => {
  const preset = presetOf('aws-sns')
  assert.ok(preset)
  const wanted = (body: string, secrets: readonly string[], now = Date.now()) =>
    certificateWanted(
      preset.verification,
      new InboundRequest({ method: 'POST', headers: {}, search: '', body: Buffer.from(body) }),
      { secrets, now },
    )
  const body = snsMessage(notification, Date.now())
  assert.match(wanted(body, [topic]) ?? '', /^https:\/\/sns\.us-east-1\.amazonaws\.com\//)
  assert.equal(wanted(body, []), undefined)
  assert.equal(wanted(body, [topic], Date.now() + 2 * dayMs), undefined)
  const china = snsMessage(notification, Date.now(), '2', 'https://sns.cn-north-1.amazonaws.com.cn')
  assert.match(wanted(china, [topic]) ?? '', /\.com\.cn\//)
  const github = presetOf('github')
  assert.ok(github)
  const request = new InboundRequest({ method: 'POST', headers: {}, search: '', body: Buffer.from(body) })
  assert.equal(certificateWanted(github.verification, request, { secrets: [topic], now: 0 }), undefined)
})
