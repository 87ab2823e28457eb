import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { after, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import { createSealer } from '../../src/platform/seal.ts'
import type { AuthFields } from '../../src/subscriptions/auth-schema.ts'
import { resealAll } from '../../src/subscriptions/reseal.ts'
import { issue, makeAuthority } from '../support/certificate.ts'
import { testServer, testSubscriptions } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())
const { database } = server.world
const authority = await makeAuthority('clients')
const client = await issue(authority, { type: 'dns', name: 'client.test' })
const other = await issue(authority, { type: 'dns', name: 'other.test' })

const target_url = 'https://example.com/hooks'
const oauth2 = {
  type: 'oauth2',
  ...{ token_url: 'https://auth.example.com/token', client_id: 'me' },
  client_secret: 'correct horse battery',
} as const
const mtls = { type: 'mtls', certificate: client.cert, key: client.key } as const

interface Answer {
  readonly id: number
  readonly auth: AuthFields
  readonly version: number
}

async function make(auth: AuthFields, more: object = {}): Promise<Answer> {
  const { status, json, text } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url, auth, ...more },
  })
  assert.equal(status, 201, text)
  return json as Answer // as openapi.json has it
}

async function change(id: number, json: object, method = 'PATCH') {
  return server.request(`/subscriptions/${id}`, { method, json })
}

/** Which fields are refused. */
async function refused(auth: object, more: object = {}): Promise<Readonly<Record<string, string>>> {
  const { status, json, text } = await server.request('/subscriptions/', {
    method: 'POST',
    json: { target_url, auth, ...more },
  })
  assert.equal(status, 422, text)
  const { errors } = json as { errors: readonly { pointer: string; detail: string }[] } // problem details
  return Object.fromEntries(errors.map(({ pointer, detail }) => [pointer, detail]))
}

const opened = (id: number) => {
  const one = server.subscriptions.get(id)
  assert.ok(one)
  return one
}

test('basic and bearer are headers of every attempt; other credentials are not', async () => {
  const basic = await make({ type: 'basic', username: 'jörg', password: 'open:sesame' })
  const pair = Buffer.from('jörg:open:sesame').toString('base64')
  assert.deepEqual(opened(basic.id).headers.slice(-2), ['authorization', `Basic ${pair}`])
  assert.deepEqual(basic.auth, { type: 'basic', username: 'jörg', password: '********' })
  const bearer = await make({ type: 'bearer', token: 'abc.def' })
  assert.deepEqual(opened(bearer.id).headers.slice(-2), ['authorization', 'Bearer abc.def'])
  for (const auth of [oauth2, mtls])
    assert.deepEqual(opened((await make(auth)).id).headers, ['accept', '*/*'])
})

test('a subscription without credentials has nothing of them', async () => {
  const { id, auth } = await make({ type: 'none' })
  assert.deepEqual(auth, { type: 'none' })
  assert.equal(opened(id).credentials, null)
  const { rows } = await database.query<{ auth: unknown }>({
    text: 'select auth from subscriptions where id = $1',
    values: [id],
  })
  assert.equal(rows[0]?.auth, null)
})

test('a type needs its fields, and takes no others', async () => {
  assert.deepEqual(Object.keys(await refused({ type: 'basic', username: 'a' })), ['/auth/password'])
  assert.deepEqual(Object.keys(await refused({ type: 'oauth2' })), [
    ...['/auth/token_url', '/auth/client_id', '/auth/client_secret'],
  ])
  assert.deepEqual(Object.keys(await refused({ type: 'bearer', token: 'a', scope: 'b' })), ['/auth/scope'])
  assert.deepEqual(Object.keys(await refused({ type: 'mtls', key: client.key })), ['/auth/certificate'])
  assert.deepEqual(Object.keys(await refused({ type: 'bearer', token: 'a', certificate: client.cert })), [
    '/auth/key',
  ])
  assert.deepEqual(Object.keys(await refused({ type: 'digest' })), ['/auth/type'])
  assert.deepEqual(Object.keys(await refused({ type: 'none', tokens: 'a' })), ['/auth/tokens'])
})

test('values that could not be sent are refused, in words that do not repeat them', async () => {
  const faults = [
    await refused({ type: 'bearer', token: 'hush\r\nX-Evil: 1' }),
    await refused({ type: 'bearer', token: 'hush hush' }),
    await refused({ type: 'basic', username: 'a:b', password: 'hush' }),
    await refused({ type: 'basic', username: 'a', password: 'hush\u0000' }),
    await refused({ ...oauth2, token_url: 'ftp://hush' }),
    await refused({ ...mtls, key: 'hush' }),
    await refused({ ...mtls, certificate: '-----BEGIN CERTIFICATE-----\nhush\n-----END CERTIFICATE-----' }),
    await refused({ ...mtls, ca: 'hush' }),
  ]
  for (const fault of faults) {
    assert.equal(Object.keys(fault).length, 1, JSON.stringify(fault))
    assert.doesNotMatch(JSON.stringify(fault), /hush/)
  }
  assert.match(
    (await refused({ type: 'basic', password: '********', username: 'a' }))['/auth/password'] ?? '',
    /real one/,
  )
})

test('a certificate has to go with its key, be valid, and strong enough', async () => {
  assert.match((await refused({ ...mtls, key: other.key }))['/auth/key'] ?? '', /not that of the certificate/)
  const ended = await issue(authority, { type: 'dns', name: 'ended.test', endsInMs: -1000 })
  const fault = await refused({ type: 'mtls', certificate: ended.cert, key: ended.key })
  assert.match(fault['/auth/certificate'] ?? '', /ended at/)
  const { privateKey } = generateKeyPairSync('ed25519')
  const locked = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' })
  assert.match((await refused({ ...mtls, key: String(locked) }))['/auth/key'] ?? '', /passphrase/)
  const { auth } = await make(mtls)
  const inADay = Date.now() + 86_400_000
  assert.ok(Math.abs(Date.parse(auth.certificate_expires_at ?? '') - inADay) < 60_000)
  assert.equal(auth.key, '********')
  assert.equal(auth.certificate, client.cert)
})

test('an authority that has ended, and texts in other encodings, are refused where they are set', async () => {
  const ended = await issue(undefined, { type: 'dns', name: 'an old authority', endsInMs: -1000 })
  assert.match((await refused({ ...mtls, ca: ended.cert }))['/auth/ca'] ?? '', /ended|end/)
  for (const strange of [
    `\uFEFF${client.cert}\u0000`,
    Buffer.from(client.cert, 'utf16le').toString('latin1'),
    client.cert.replaceAll('CERTIFICATE', 'X509 CRL'),
    client.cert.replace(/\n[A-Za-z0-9+/]{10}/, '\n!!!!!!!!!!'),
    client.cert.repeat(25),
    `-----BEGIN CERTIFICATE-----\n${'A'.repeat(20_000)}\n-----END CERTIFICATE-----`,
  ]) {
    const fault = await refused({ ...mtls, certificate: strange, ca: strange })
    assert.ok(Object.keys(fault).length > 0, strange.slice(0, 60))
  }
})

test('its header belongs to it alone', async () => {
  const more = { headers: { authorization: 'x' } }
  assert.match(
    (await refused({ type: 'bearer', token: 'a' }, more))['/headers/authorization'] ?? '',
    /belongs to `auth`/,
  )
  await make(mtls, more)
})

test('a change keeps masked secrets, and an answer can be sent back as it is', async () => {
  const made = await make({ ...oauth2, scope: 'a' })
  const before = opened(made.id).credentials
  const { json } = await server.request(`/subscriptions/${made.id}`)
  const put = await change(made.id, json as object, 'PUT')
  assert.equal(put.status, 200, put.text)
  assert.deepEqual(opened(made.id).credentials, before)
  await change(made.id, { auth: { scope: 'b' } })
  const { oauth } = opened(made.id).credentials ?? {}
  assert.deepEqual([oauth?.scope, oauth?.clientSecret], ['b', 'correct horse battery'])
  assert.notEqual(oauth?.fingerprint, before?.oauth?.fingerprint)
  const bearer = await change(made.id, { auth: { type: 'bearer', token: 'abc' } })
  assert.deepEqual(Object(bearer.json).auth, { type: 'bearer', token: '********' })
  const none = await change(made.id, { auth: null })
  assert.deepEqual(Object(none.json).auth, { type: 'none' })
})

test('a kept secret is not sent to another server', async () => {
  const { id } = await make(oauth2)
  const moved = await change(id, { auth: { token_url: 'https://evil.example.com/token' } })
  assert.equal(moved.status, 422)
  assert.match(moved.text, /client_secret too/)
  const path = await change(id, { auth: { token_url: 'https://auth.example.com/v2/token' } })
  assert.equal(path.status, 200, path.text)
})

test('a client certificate and an own authority go with every type', async () => {
  const ca = authority.certificate.toString('pem')
  const { id, auth } = await make({ ...oauth2, certificate: client.cert, key: client.key, ca })
  const { oauth, tls } = opened(id).credentials ?? {}
  assert.equal(oauth?.clientId, 'me')
  assert.deepEqual([tls?.certificate, tls?.key, tls?.ca], [client.cert, client.key, ca])
  assert.ok(auth.certificate_expires_at)
  const changed = await change(id, { auth: { type: 'none' } })
  assert.deepEqual(Object.keys(Object(changed.json).auth).sort(), [
    'ca',
    'certificate',
    'certificate_expires_at',
    'key',
    'type',
  ])
})

test('no answer, list, audit entry or row shows a secret; the audit log says that one was set, changed or removed', async () => {
  const { id } = await make(oauth2)
  await change(id, { auth: { client_secret: 'another horse battery' } })
  await change(id, { auth: null })
  const pages = await Promise.all(
    [`/subscriptions/${id}`, '/subscriptions/', '/audit?limit=250'].map(path => server.request(path)),
  )
  const { rows } = await database.query({ text: 'select auth from subscriptions' })
  for (const text of [...pages.map(page => page.text), JSON.stringify(rows)])
    assert.doesNotMatch(text, /horse|PRIVATE KEY/)
  const entries = pages[2]?.json as readonly {
    subject: { id: string }
    changes: readonly { field: string; secret?: string }[]
  }[]
  const said = entries
    .filter(({ subject }) => String(subject?.id) === String(id))
    .flatMap(({ changes }) => changes)
    .flatMap(({ field, secret }) => (field.startsWith('auth.') && secret ? [`${field} ${secret}`] : []))
  assert.deepEqual(said.sort(), [
    'auth.client_secret changed',
    'auth.client_secret removed',
    'auth.client_secret set',
  ])
})

test('the address of a token endpoint is checked as a target is', async () => {
  const checked = testSubscriptions(server.world, {
    checkTarget: async url => (url.host === 'inside' ? 'not there' : undefined),
  })
  const body = { target_url, auth: { ...oauth2, token_url: 'https://inside/token' } }
  await assert.rejects(checked.create(localOperator, body), error => {
    const { errors } = Object(error)
    assert.deepEqual(errors, [{ pointer: '/auth/token_url', detail: 'not there' }])
    return true
  })
})

test('new encryption keys seal credentials anew', async () => {
  const { id } = await make({ ...oauth2, certificate: client.cert, key: client.key })
  const key = Buffer.alloc(32, 9)
  const seal = createSealer([key, Buffer.alloc(32, 7)])
  const { failed } = await resealAll(database, seal, localOperator.actor)
  assert.deepEqual(failed, [])
  const alone = testSubscriptions(server.world, { seal: createSealer([key]) })
  await alone.load()
  const { oauth, tls } = alone.get(id)?.credentials ?? {}
  assert.deepEqual([oauth?.clientSecret, tls?.key], ['correct horse battery', client.key])
})
