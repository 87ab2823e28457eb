import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { aKey, aTenant } from '../support/keys.ts'
import { providers } from '../support/providers.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { type TestService, testService } from '../support/service.ts'

// `inbound` of a subscription: what is sent to POST /ingest/{id} is verified as a provider signs.

let world: TestService
let receiver: Receiver
let key: string
before(async () => {
  world = await testService({ AUTH: 'keys' })
  receiver = await startReceiver()
  key = await aKey(world.world.database, 'admin')
})
after(async () => {
  await world[Symbol.asyncDispose]()
  await receiver.close()
})

const github = { preset: 'github', secrets: ['a secret'] }
const signed = (body: string, secret = 'a secret') => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
})

async function call(method: string, path: string, json?: object, headers: Record<string, string> = {}) {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(json && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: json ? JSON.stringify(json) : null,
  })
  const text = await answer.text()
  return { status: answer.status, text, json: text === '' ? undefined : JSON.parse(text) }
}

async function subscribe(inbound: object, more: object = {}): Promise<number> {
  const { status, json, text } = await call('POST', '/subscriptions/', {
    ...{ target_url: `${receiver.origin}/`, inbound, ...more },
  })
  assert.equal(status, 201, text)
  return json.id
}

/** As a provider, which has no key. */
async function ingest(id: number, body: string, headers: Record<string, string>, search = '') {
  const answer = await fetch(`${world.url}/ingest/${id}${search}`, { method: 'POST', body, headers })
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}

test('it is shown with its secrets masked, stored sealed, merged by a patch and gone with a PUT without it', async () => {
  const id = await subscribe({ ...github, secrets: ['one', 'two'] })
  const whole = {
    ...{ preset: 'github', secrets: ['********', '********'] },
    ...{ tolerance_seconds: null, dedupe: null, require_signature: true },
  }
  assert.deepEqual((await call('GET', `/subscriptions/${id}`)).json.inbound, whole)
  const stored = async () => {
    const { rows } = await world.world.database.query<{ inbound: { secrets: string[] } }>({
      text: 'select inbound from subscriptions where id = $1',
      values: [id],
    })
    return rows[0]?.inbound
  }
  const before = await stored()
  assert.match(String(before?.secrets), /^v1:[0-9a-f]{8}:.*,v1:/)
  const patched = await call('PATCH', `/subscriptions/${id}`, {
    inbound: { dedupe: [], secrets: ['********', 'three'] },
  })
  assert.deepEqual(patched.json.inbound, { ...whole, dedupe: [] })
  assert.equal((await stored())?.secrets[0], before?.secrets[0])
  assert.notEqual((await stored())?.secrets[1], before?.secrets[1])
  const { json: audit } = await call('GET', '/audit?limit=1')
  assert.ok(
    audit[0].changes.some((one: object) => JSON.stringify(one).includes('"field":"inbound.secrets"')),
    JSON.stringify(audit[0]),
  )
  assert.doesNotMatch(JSON.stringify(audit), /three/)
  const current = (await call('GET', `/subscriptions/${id}`)).json
  assert.equal((await call('PUT', `/subscriptions/${id}`, current)).status, 200)
  assert.deepEqual((await call('GET', `/subscriptions/${id}`)).json.inbound, { ...whole, dedupe: [] })
  await call('PUT', `/subscriptions/${id}`, { target_url: `${receiver.origin}/` })
  assert.equal((await call('GET', `/subscriptions/${id}`)).json.inbound, null)
})

test('what makes no sense is refused where it is', async () => {
  for (const [inbound, pointer] of [
    [{ preset: 'nobody', secrets: ['x'] }, '/inbound/preset'],
    [{ preset: 'github' }, '/inbound/secrets'],
    [{ preset: 'none', secrets: ['x'] }, '/inbound/secrets'],
    [{ preset: 'discord', secrets: ['x'] }, '/inbound/secrets/0'],
    [{ ...github, dedupe: ['nowhere'] }, '/inbound/dedupe/0'],
    [{ ...github, secrets: ['********'] }, '/inbound/secrets/0'],
    [{ ...github, secret: 'x' }, '/inbound/secret'],
  ] as const) {
    const { status, json } = await call('POST', '/subscriptions/', {
      target_url: `${receiver.origin}/`,
      inbound,
    })
    assert.equal(status, 422)
    assert.deepEqual(
      json.errors.map((one: { pointer: string }) => one.pointer),
      [pointer],
    )
  }
})

test('a provider sends without a key: its signature lets in, its type and its id are read, its body goes on', async () => {
  const id = await subscribe(github)
  const body = '{not json \u00e9'
  const headers = {
    ...{ ...signed(body), 'content-type': 'application/json' },
    ...{ 'x-github-event': 'push', 'x-github-delivery': 'd-1' },
  }
  const first = await ingest(id, body, headers)
  assert.equal(first.status, 202, first.text)
  const { webhook_id: webhookId } = JSON.parse(first.text)
  const got = await eventually(
    async () => receiver.received.find(one => one.headers['webhook-id'] === webhookId),
    one => one !== undefined,
  )
  assert.equal(got?.body.toString(), body)
  assert.equal(got?.headers['x-event-type'], 'push')
  const again = await ingest(id, body, headers)
  assert.deepEqual([again.status, again.text], [202, first.text])
  assert.equal(again.headers.get('idempotent-replayed'), 'true')
})

test('event types and filters of the subscription count for what the preset reads', async () => {
  const id = await subscribe(github, { event_types: ['issues'] })
  const send = (type: string) => ingest(id, '{}', { ...signed('{}'), 'x-github-event': type })
  assert.deepEqual((await send('push')).text, '{}')
  assert.equal((await send('issues')).status, 202)
})

test('who signs wrongly hears what a stranger hears; who has a key hears why', async () => {
  const id = await subscribe(github)
  const wrong = await ingest(id, '{}', signed('{}', 'another'))
  const nobody = await ingest(2_000_000_000, '{}', signed('{}', 'another'))
  const bare = (text: string) => text.replace(/urn:uuid:[0-9a-f-]+/, '')
  assert.deepEqual([wrong.status, bare(wrong.text)], [nobody.status, bare(nobody.text)])
  assert.equal((await ingest(id, '{}', {})).status, 401)
  const authorization = `Bearer ${key}`
  const withKey = await ingest(id, '{}', { ...signed('{}', 'another'), authorization })
  assert.equal(withKey.status, 401)
  assert.match(withKey.text, /signature_mismatch/)
  assert.match((await ingest(id, '{}', { authorization })).text, /missing_signature/)
  await call('PATCH', `/subscriptions/${id}`, { inbound: { require_signature: false } })
  assert.equal((await ingest(id, '{}', { authorization, 'x-event-type': 'by.hand' })).status, 202)
  assert.equal((await ingest(id, '{}', {})).status, 401)
})

test('a certificate that cannot be fetched tells nobody whether there is such a subscription, and its owner why', async () => {
  await using away = await testService({ AUTH: 'keys', EGRESS_PROXY: 'http://127.0.0.1:1' })
  const admin = { authorization: `Bearer ${await aKey(away.world.database, 'admin')}` }
  const provider = providers.paypal
  assert.ok(provider)
  const made = await fetch(`${away.url}/subscriptions/`, {
    method: 'POST',
    headers: { ...admin, 'content-type': 'application/json' },
    body: JSON.stringify({
      target_url: 'https://example.com/',
      inbound: { preset: 'paypal', secrets: [provider.secrets[0]] },
    }),
  })
  assert.equal(made.status, 201)
  const { id } = (await made.json()) as { id: number }
  const sent = provider.send('another', Date.now(), provider.body)
  const ask = async (to: number) => {
    const sentAt = performance.now()
    const answer = await fetch(`${away.url}/ingest/${to}`, sent)
    const text = (await answer.text()).replace(/urn:uuid:[0-9a-f-]{36}/, '')
    return { said: [answer.status, text], tookMs: performance.now() - sentAt }
  }
  const [known, unknown] = await Promise.all([ask(id), ask(id + 1)])
  assert.equal(known.said[0], 401)
  assert.deepEqual(known.said, unknown.said)
  assert.ok(Math.min(known.tookMs, unknown.tookMs) > 1900, `${known.tookMs} ${unknown.tookMs}`)
  const refusals = await eventually(
    async () => (await fetch(`${away.url}/subscriptions/${id}/inbound-refusals`, { headers: admin })).text(),
    text => text.includes('certificate_unavailable'),
  )
  assert.match(refusals, /could not be fetched/)
})

test('what is refused is kept with its reason and without credentials, for its owner alone', async () => {
  const id = await subscribe(github)
  const refusals = async (path = '') =>
    (await call('GET', `/subscriptions/${id}/inbound-refusals${path}`)).json
  await ingest(id, '{"n":1}', { ...signed('{"n":1}', 'another'), 'content-type': 'application/json' })
  await ingest(id, '{"n":2}', { authorization: `Bearer ${key}` })
  await ingest(id, '{"n":3}', signed('{"n":3}')) // is accepted
  const kept = await eventually(refusals, rows => rows.length === 2)
  const [newest, first] = kept
  assert.deepEqual(
    [newest.reason, newest.body, newest.headers.authorization],
    ['missing_signature', '{"n":2}', '[redacted]'],
  )
  assert.deepEqual([first.reason, first.body, first.method], ['signature_mismatch', '{"n":1}', 'POST'])
  assert.match(first.detail, /compare the secret/)
  const page = await fetch(`${world.url}/subscriptions/${id}/inbound-refusals?limit=1`, {
    headers: { authorization: `Bearer ${key}` },
  })
  const cursor = page.headers.get('x-next-cursor')
  assert.deepEqual((await refusals(`?cursor=${cursor}`)).length, 1)

  await aTenant(world.world.database, 'other')
  const other = await aKey(world.world.database, 'tenant', 'other')
  const asOther = { authorization: `Bearer ${other}` }
  assert.equal((await call('GET', `/subscriptions/${id}/inbound-refusals`, undefined, asOther)).status, 404)
  assert.equal((await fetch(`${world.url}/subscriptions/${id}/inbound-refusals`)).status, 401)
  assert.equal((await call('DELETE', `/subscriptions/${id}`)).status, 204)
  const { rows } = await world.world.database.query<{ n: number }>({
    text: 'select count(*)::int as n from inbound_refusals where subscription = $1',
    values: [id],
  })
  assert.equal(rows[0]?.n, 0)
})

test('what is too large, and what its catalogue refuses, is kept as refused, too', async () => {
  await call('PUT', '/event-types/large', { validate: 'reject', schema: { type: 'object' } })
  const id = await subscribe(github)
  assert.equal((await ingest(id, 'x'.repeat(1_048_577), { 'x-github-event': 'push' })).status, 413)
  assert.equal((await ingest(id, '[]', { ...signed('[]'), 'x-github-event': 'large' })).status, 422)
  const kept = await eventually(
    async () => (await call('GET', `/subscriptions/${id}/inbound-refusals`)).json,
    rows => rows.length === 2,
  )
  const shown = kept.map((row: Record<string, unknown>) => [row.reason, row.body, row.body_bytes])
  assert.deepEqual(shown, [
    ['payload_refused', '[]', 2],
    ['body_too_large', '', 1_048_577],
  ])
})

test('that it refuses what its provider sends is told once, to the tenant that asks', async t => {
  const told = await startReceiver()
  t.after(() => told.close())
  const id = await subscribe(github)
  const hears = await call('POST', '/subscriptions/', {
    ...{ target_url: `${told.origin}/`, event_types: ['subscription.inbound_rejecting'] },
    filter: { payload: { data: { subscription_id: id } } },
  })
  assert.equal(hears.status, 201, hears.text)
  const refuse = (times: number) =>
    Promise.all(Array.from({ length: times }, () => ingest(id, '{}', signed('{}', 'old'))))
  await refuse(4)
  assert.equal((await ingest(id, '{}', signed('{}'))).status, 202)
  await refuse(4)
  const inARow = async () => {
    const { rows } = await world.world.database.query<{ n: number }>({
      text: 'select refused_in_a_row::int as n from inbound_refusing where subscription = $1',
      values: [id],
    })
    return rows[0]?.n
  }
  await eventually(inARow, n => n === 4) // the one that was verified has begun a new row
  await refuse(2)
  await told.waitFor(1, 30_000)
  const { type, data } = JSON.parse(String(told.received[0]?.body))
  assert.equal(type, 'subscription.inbound_rejecting')
  const { subject, text, since, ...facts } = data
  assert.deepEqual(facts, {
    ...{ tenant: 'default', subscription_id: id, uid: null, description: null },
    ...{ target_origin: receiver.origin, preset: 'github', reason: 'signature_mismatch', rejected: 6 },
  })
  assert.ok(Math.abs(Date.parse(since) - Date.now()) < 60_000, since)
  assert.match(`${subject}\n${text}`, new RegExp(`inbound of subscription ${id}.*\n.*6 requests since`))
})

test('a question of the provider is answered, and nothing is made of it', async () => {
  const { slack } = providers
  assert.ok(slack)
  const [secret] = slack.secrets
  const id = await subscribe({ preset: 'slack', secrets: [secret] })
  const asked = slack.send(secret, Date.now(), '{"type":"url_verification","challenge":"3eZb"}')
  const answer = await ingest(id, asked.body, asked.headers)
  assert.deepEqual([answer.status, answer.text], [200, '3eZb'])
  const old = slack.send(secret, Date.now() - 400_000, slack.body)
  assert.equal((await ingest(id, old.body, old.headers)).status, 401)
  await call('PATCH', `/subscriptions/${id}`, { inbound: { tolerance_seconds: 3600 } })
  assert.equal((await ingest(id, old.body, old.headers)).status, 202)
})

test('all of it is read again by a process that starts, and by webhooks rotate-keys', async () => {
  const { resealAll } = await import('../../src/subscriptions/reseal.ts')
  const { createSealer, readKeyFile } = await import('../../src/platform/seal.ts')
  const { resealSources } = await import('../../src/sources/reseal.ts')
  const { commandLine } = await import('../../src/model/caller.ts')
  const id = await subscribe(github)
  const source = (await call('POST', '/sources', { name: 'x', ...github })).json
  const old = (await readKeyFile(world.environment.DATA_DIR ?? '')) ?? []
  const newest = Buffer.alloc(32, 9)
  const report = await resealAll(world.world.database, createSealer([newest, ...old]), commandLine, [
    resealSources,
  ])
  assert.deepEqual(report.failed, [])
  const sealer = createSealer([newest])
  const { rows } = await world.world.database.query<{ inbound: { secrets: string[] } }>({
    text: 'select inbound from subscriptions where id = $1',
    values: [id],
  })
  assert.equal(sealer.open(rows[0]?.inbound.secrets[0] ?? '', `subscription:${id}:inbound`), 'a secret')
  const { rows: sources } = await world.world.database.query<{
    token: string
    secrets: { sealed: string }[]
  }>({
    text: 'select token, secrets from sources where id = $1',
    values: [source.id],
  })
  const [row] = sources
  assert.ok(source.url.endsWith(sealer.open(row?.token ?? '', `source:${source.id}:token`)))
  assert.equal(sealer.open(row?.secrets[0]?.sealed ?? '', `source:${source.id}:secret`), 'a secret')
})
