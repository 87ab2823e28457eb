import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { presets } from '../../src/sources/presets.ts'
import { eventually } from '../support/eventually.ts'
import { aTenant } from '../support/keys.ts'
import { providers, publicUrl, type Sent } from '../support/providers.ts'
import { type Receiver, startReceiver } from '../support/receiver.ts'
import { client, type TestService, testService } from '../support/service.ts'

// What providers send to a source, until it arrives at a receiver.

let world: TestService
let receiver: Receiver
before(async () => {
  world = await testService()
  receiver = await startReceiver()
  await client(world.url).subscribe({ target_url: `${receiver.origin}/all` })
})
after(async () => {
  await world[Symbol.asyncDispose]()
  await receiver.close()
})

async function call(method: string, path: string, json?: object) {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    ...(json && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) }),
  })
  const text = await answer.text()
  return { status: answer.status, text, json: text === '' ? undefined : JSON.parse(text) }
}

interface Made {
  readonly id: number
  readonly url: string
}

async function aSource(body: object): Promise<Made> {
  const { status, json, text } = await call('POST', '/sources', { name: 'a source', ...body })
  assert.equal(status, 201, text)
  return json
}

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

async function send(to: Made, sent: Partial<Sent> & { readonly bytes?: Buffer }): Promise<Answer> {
  const { method = 'POST', headers = {}, search = '', body, bytes = body } = sent
  const answer = await fetch(to.url + search, {
    method,
    headers,
    body: bytes === undefined ? null : typeof bytes === 'string' ? bytes : new Uint8Array(bytes),
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

const secret = 'a secret'
const signed = (body: string | Buffer, with_ = secret) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', with_).update(body).digest('hex')}`,
})

/** What arrived with this id. */
async function arrived(webhookId: string | null) {
  assert.ok(webhookId)
  const found = () => receiver.received.find(({ headers }) => headers['webhook-id'] === webhookId)
  return eventually(
    async () => found(),
    one => one !== undefined,
  ).then(one => {
    assert.ok(one)
    return one
  })
}

/** What was kept of refused requests; it is written now, and not in a second. */
async function refusalsOf({ id }: Made, count: number) {
  return eventually(
    async () => (await call('GET', `/sources/${id}/refusals`)).json as Record<string, unknown>[],
    rows => rows.length >= count,
  )
}

// Certificates of Amazon and PayPal are fetched from there: test/sources/certificates.test.ts.
const asTheirs = { concurrency: 8 } // each waits for what is written once a second
describe('presets', asTheirs, () => {
  for (const { id, needsPublicUrl } of presets.filter(one => one.verification.kind !== 'certificate')) {
    test(`${id}: what the provider sends arrives byte for byte, once, and what is changed does not`, async () => {
      const provider = providers[id]
      assert.ok(provider, id)
      const [first, second] = provider.secrets
      const source = await aSource({
        preset: id,
        ...(id !== 'none' && { secrets: [first] }),
        ...(needsPublicUrl && { public_url: publicUrl }),
      })
      const sent = provider.send(first, Date.now(), provider.body)
      const answer = await send(source, sent)
      assert.ok([200, 204].includes(answer.status), answer.text)
      const webhookId = answer.headers.get('x-webhook-id')
      const got = await arrived(webhookId)
      assert.equal(got.body.toString(), sent.body)
      assert.equal(got.headers['content-type'], sent.headers['content-type'])
      assert.equal(got.headers['x-event-type'], provider.type?.replaceAll(' ', '_'))
      const again = await send(source, sent)
      assert.equal(again.status, answer.status)
      assert.equal(
        again.text === answer.text,
        provider.repeat !== undefined || answer.text.indexOf('webhook_id') < 0,
      )
      assert.equal(again.headers.get('x-webhook-id') === webhookId, provider.repeat !== undefined)
      if (id === 'none') return
      const foreign = provider.send(second, Date.now(), provider.body)
      assert.equal((await send(source, foreign)).status, 401)
      const [refusal] = await refusalsOf(source, 1)
      const isToken = provider.change === undefined
      assert.equal(refusal?.reason, isToken ? 'wrong_token' : 'signature_mismatch')
      assert.equal(refusal?.body, isToken ? foreign.body.replace(second, '[redacted]') : foreign.body)
      if (isToken)
        assert.ok(!JSON.stringify(refusal).includes(second), 'a wrong token may be right elsewhere')
      // With both secrets it is taken: as during a rotation.
      await call('PATCH', `/sources/${source.id}`, { secrets: [first, second] })
      const fresh = await send(source, provider.send(second, Date.now(), provider.body))
      assert.equal(fresh.status, answer.status, fresh.text)
    })
  }
})

test('an address that does not exist is answered as a wrong signature is, after as long', async () => {
  const source = await aSource({ preset: 'github', secrets: [secret] })
  const nowhere = { ...source, url: `${source.url.slice(0, -4)}abcd` }
  const timed = async (to: Made, sent: Partial<Sent>) => {
    const from = performance.now()
    const { status, text, headers } = await send(to, sent)
    const kept = text.replace(/urn:uuid:[0-9a-f-]+/, '')
    return { ms: performance.now() - from, seen: [status, kept, headers.get('www-authenticate')] }
  }
  for (const sent of [
    { body: '{}', headers: signed('{}', 'wrong') },
    { body: '{}' },
    { body: '{}', headers: { 'x-hub-signature-256': 'sha256=xyz' } },
    { method: 'GET' },
    { method: 'GET', search: '?hub.challenge=1' },
    { method: 'OPTIONS', headers: { 'webhook-request-origin': 'x' } },
  ]) {
    const [known, unknown] = [await timed(source, sent), await timed(nowhere, sent)]
    assert.deepEqual(known.seen, unknown.seen)
    assert.equal(known.seen[0], 401)
    assert.ok(known.ms >= 240 && unknown.ms >= 240, `${known.ms} ${unknown.ms}`)
  }
  for (const to of [source, nowhere]) assert.equal((await send(to, { method: 'HEAD' })).status, 200)
  assert.equal((await call('PUT', `/in/${'a'.repeat(43)}`)).status, 405)
})

test('questions by which providers find out whether an address is theirs are answered, and make no event', async () => {
  const before = receiver.received.length
  const at = async (preset: string, secrets: readonly string[] = [secret]) => aSource({ preset, secrets })
  const signedAs = (id: string, body: string, with_: string) => providers[id]?.send(with_, Date.now(), body)
  const ask = async (to: Made, sent: Partial<Sent> | undefined) => {
    const { status, text, headers } = await send(to, sent ?? {})
    return { status, text, headers }
  }
  const slack = '{"type":"url_verification","challenge":"3eZbrw1aB"}'
  assert.equal((await ask(await at('slack'), signedAs('slack', slack, secret))).text, '3eZbrw1aB')
  assert.equal((await ask(await at('slack'), signedAs('slack', slack, 'other'))).status, 401)
  const zoom = '{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"}}'
  const encryptedToken = createHmac('sha256', secret).update('qgg8vlvZRS6UYooatFL8Aw').digest('hex')
  assert.deepEqual(JSON.parse((await ask(await at('zoom'), signedAs('zoom', zoom, secret))).text), {
    plainToken: 'qgg8vlvZRS6UYooatFL8Aw',
    encryptedToken,
  })
  const twitch = signedAs('twitch', '{"challenge":"pogchamp-kappa-360noscope-vohiyo"}', secret)
  const type = { 'twitch-eventsub-message-type': 'webhook_callback_verification' }
  const asked = await ask(await at('twitch'), { ...twitch, headers: { ...twitch?.headers, ...type } })
  assert.equal(asked.text, 'pogchamp-kappa-360noscope-vohiyo')
  assert.match(asked.headers.get('content-type') ?? '', /^text\/plain/)
  const meta = '?hub.mode=subscribe&hub.verify_token=any&hub.challenge=1158201444'
  assert.equal((await ask(await at('meta'), { method: 'GET', search: meta })).text, '1158201444')
  const dropbox = await ask(await at('dropbox'), { method: 'GET', search: '?challenge=%3Cb%3E' })
  assert.equal(dropbox.text, '<b>')
  assert.equal(dropbox.headers.get('x-content-type-options'), 'nosniff')
  const cloudEvents = await ask(await at('cloudevents'), {
    ...{ method: 'OPTIONS', headers: { 'webhook-request-origin': 'eventemitter.example.com' } },
  })
  assert.equal(cloudEvents.status, 200)
  assert.equal(cloudEvents.headers.get('webhook-allowed-origin'), 'eventemitter.example.com')
  const grid = { 'aeg-event-type': 'SubscriptionValidation' }
  const validation = '[{"eventType":"x","data":{"validationCode":"512d38b6"}}]'
  const validated = await ask(await at('azure-event-grid', ['code']), {
    ...{ search: '?code=code', headers: grid, body: validation },
  })
  assert.deepEqual(JSON.parse(validated.text), { validationResponse: '512d38b6' })
  const stranger = await ask(await at('azure-event-grid', ['code']), {
    ...{ search: '?code=other', headers: grid, body: validation },
  })
  assert.equal(stranger.status, 401)
  assert.equal(receiver.received.length, before)
})

test('a source that is switched off, and that of a deleted tenant, is none', async () => {
  const source = await aSource({ preset: 'github', secrets: [secret] })
  const sent = { body: '{}', headers: signed('{}') }
  assert.equal((await send(source, sent)).status, 200)
  await call('PATCH', `/sources/${source.id}`, { enabled: false })
  assert.equal((await send(source, sent)).status, 401)
  await call('PATCH', `/sources/${source.id}`, { enabled: true })
  assert.equal((await send(source, sent)).status, 200)
  await call('DELETE', `/sources/${source.id}`)
  assert.equal((await send(source, sent)).status, 401)
  await aTenant(world.world.database, 'leaving')
  await eventually(async () => (await call('GET', '/tenants/leaving')).status === 200)
  const theirs = await aSource({ preset: 'github', secrets: [secret], tenant: 'leaving' })
  assert.equal((await send(theirs, sent)).status, 200)
  await call('DELETE', '/tenants/leaving')
  await eventually(async () => (await send(theirs, sent)).status === 401)
  await eventually(async () => {
    const { rows } = await world.world.database.query({
      text: `select from sources where tenant = 'leaving'`,
    })
    return rows.length === 0
  })
})

test('the event type is put together as the source says, and events have its name and labels', async () => {
  const source = await aSource({
    ...{ name: 'shop', preset: 'github', secrets: [secret] },
    ...{ event_type: 'github.{type}.{field:action}', channels: ['code'], metadata: { team: 'a' } },
  })
  const event = async (body: string, type: string, delivery: string) => {
    const headers = { ...signed(body), 'x-github-event': type, 'x-github-delivery': delivery }
    const answer = await send(source, { body, headers })
    return (await call('GET', `/events/${answer.headers.get('x-webhook-id')}`)).json
  }
  const opened = await event('{"action":"opened"}', 'issues', 'd-1')
  assert.partialDeepStrictEqual(opened, { event_type: 'github.issues.opened', channels: ['code'] })
  const { rows } = await world.world.database.query<{ given: object }>({
    text: `select metadata -> 'given' as given from events where webhook_id = $1`,
    values: [opened.webhook_id],
  })
  assert.deepEqual(rows[0]?.given, { team: 'a', source: 'shop', provider_id: 'd-1' })
  assert.equal((await event('{}', 'push', 'd-2')).event_type, 'github.push')
  assert.equal((await event('{"action":"a b\\u00e9"}', 'x', 'd-3')).event_type, 'github.x.a_b_')
  assert.equal((await event(`{"action":"${'a'.repeat(500)}"}`, 'x', 'd-4')).event_type.length, 128)
})

test('headers are delivered with the event where the source says so, under the names that it says', async () => {
  const body = '{}'
  const given = {
    ...signed(body),
    'x-github-event': 'push',
    'x-github-delivery': 'abc',
    'x-github-hook-id': '7',
    authorization: 'Bearer not-to-be-kept',
    'webhook-id': 'theirs',
  }
  const marked = await aSource({
    ...{
      preset: 'github',
      secrets: [secret],
      forward_headers: ['x-github-*', 'x-hub-signature-256', 'webhook-id'],
    },
  })
  const got = await arrived((await send(marked, { body, headers: given })).headers.get('x-webhook-id'))
  assert.equal(got.headers['x-original-x-github-event'], 'push')
  assert.equal(got.headers['x-original-x-github-hook-id'], '7')
  assert.equal(got.headers['x-original-webhook-id'], 'theirs')
  assert.equal(got.headers['x-original-x-hub-signature-256'], given['x-hub-signature-256'])
  assert.doesNotMatch(got.rawHeaders.join(), /not-to-be-kept/)
  // As if the provider sent them itself: a receiver that verifies GitHub's signature goes on as before.
  const plain = await aSource({
    ...{ preset: 'github', secrets: [secret], forward_prefix: '', forward_headers: ['x-*'] },
  })
  const asSent = await arrived((await send(plain, { body, headers: given })).headers.get('x-webhook-id'))
  assert.equal(asSent.headers['x-github-delivery'], 'abc')
  assert.equal(asSent.headers['x-hub-signature-256'], given['x-hub-signature-256'])
  assert.equal(asSent.headers['x-event-type'], 'push')
})

test('headers of a delivery that waits in its lane go with it, too, and go when its payload is expunged', async () => {
  const { id } = await client(world.url).subscribe({
    ...{ target_url: `${receiver.origin}/later`, paused: true, channels: ['later'] },
  })
  const source = await aSource({
    ...{ preset: 'github', secrets: [secret], forward_headers: ['x-github-event'], channels: ['later'] },
  })
  const headers = { ...signed('{}'), 'x-github-event': 'push' }
  const first = (await send(source, { body: '{}', headers })).headers.get('x-webhook-id')
  const second = (await send(source, { body: '{}', headers })).headers.get('x-webhook-id')
  assert.equal((await call('DELETE', `/events/${second}/payload`)).status, 204)
  const { rows } = await world.world.database.query<{ kept: boolean }>({
    text: `select metadata ? 'forwarded' as kept from events where webhook_id = any($1) order by webhook_id`,
    values: [[first, second]],
  })
  assert.deepEqual(
    rows.map(({ kept }) => kept),
    [true, false],
  )
  assert.equal((await call('POST', `/subscriptions/${id}/resume`)).status, 200)
  const got = await eventually(async () => receiver.received.find(({ path }) => path === '/later'), Boolean)
  assert.equal(got?.headers['x-original-x-github-event'], 'push')
})

test('bodies of all kinds arrive as they came, with their type and their coding', async () => {
  const source = await aSource({ preset: 'github', secrets: [secret] })
  for (const [type, bytes, coding] of [
    ['application/x-www-form-urlencoded', Buffer.from('a=1&b=%C3%A9&a=2')],
    [
      'multipart/form-data; boundary=xyz',
      Buffer.from('--xyz\r\ncontent-disposition: form-data; name="a"\r\n\r\n\0\r\n--xyz--\r\n'),
    ],
    [
      'text/xml; charset=iso-8859-1',
      Buffer.from('<?xml version="1.0" encoding="iso-8859-1"?><a>é</a>', 'latin1'),
    ],
    ['application/octet-stream', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))],
    ['application/json; charset=utf-16', Buffer.from('\uFEFF{"a":1}', 'utf16le')],
    ['application/json', Buffer.from('\uFEFF{"a":1}')],
    ['application/json', Buffer.from('{"a":1}   \n')],
    ['application/json', Buffer.from('{not json')],
    ['application/json', Buffer.from([0xff, 0xfe, 0x00])],
    ['application/json', Buffer.from('1f8b0800', 'hex'), 'gzip'],
    ['application/json', Buffer.alloc(0)],
    ['text/plain', Buffer.from(' '), 'br, x-unknown'],
    ['json', Buffer.from('{}')],
  ] as const) {
    const headers = {
      ...signed(bytes),
      'content-type': type,
      ...(coding !== undefined && { 'content-encoding': coding }),
    }
    const answer = await send(source, { bytes, headers })
    assert.equal(answer.status, 200, `${type}: ${answer.text}`)
    const got = await arrived(answer.headers.get('x-webhook-id'))
    assert.ok(got.body.equals(bytes), type)
    assert.equal(got.headers['content-type'], type)
    assert.equal(got.headers['content-encoding'], coding)
  }
})

test('the answer is what the provider needs: that of the preset, or that of the source', async () => {
  const sent = (id: string, source: Made) => {
    const provider = providers[id]
    assert.ok(provider)
    return send(source, provider.send(provider.secrets[0], Date.now(), provider.body))
  }
  const secretOf = (id: string) => [providers[id]?.secrets[0]]
  const adyen = await sent('adyen', await aSource({ preset: 'adyen', secrets: secretOf('adyen') }))
  assert.deepEqual([adyen.status, adyen.text], [200, '[accepted]'])
  const slack = await sent('slack', await aSource({ preset: 'slack', secrets: secretOf('slack') }))
  assert.deepEqual([slack.status, slack.text], [200, ''])
  const answer = { status: 201, content_type: 'application/json', body: '{"ok":true}' }
  const own = await sent('stripe', await aSource({ preset: 'stripe', secrets: secretOf('stripe'), answer }))
  assert.deepEqual([own.status, own.text], [201, '{"ok":true}'])
  assert.match(own.headers.get('content-type') ?? '', /^application\/json/)
  assert.equal(own.headers.get('content-security-policy'), "default-src 'none'; sandbox")
  const none = await sent(
    'stripe',
    await aSource({ preset: 'stripe', secrets: secretOf('stripe'), answer: { status: 204 } }),
  )
  assert.deepEqual([none.status, none.text], [204, ''])
})

test('ten that send the same at once get one event, and one answer', async () => {
  const source = await aSource({ preset: 'github', secrets: [secret] })
  const headers = { ...signed('{}'), 'x-github-delivery': 'once' }
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(source, { body: '{}', headers })))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
  const replayed = answers.filter(one => one.headers.get('idempotent-replayed') === 'true')
  assert.equal(replayed.length, 9)
  // Another source may get the same id from another provider.
  const other = await aSource({ preset: 'github', secrets: [secret] })
  const elsewhere = await send(other, { body: '{}', headers })
  assert.notEqual(elsewhere.text, answers[0]?.text)
  // What the provider says besides, such as how many times it has tried, does not make it another event.
  const later = { ...headers, 'x-retry-num': '2' }
  assert.equal((await send(source, { body: '{}', headers: later })).text, answers[0]?.text)
  const off = await aSource({ preset: 'github', secrets: [secret], dedupe: [] })
  const [one, two] = [await send(off, { body: '{}', headers }), await send(off, { body: '{}', headers })]
  assert.notEqual(one.text, two.text)
})

test('what is refused is kept without credentials, bounded, and never forwarded', async () => {
  const source = await aSource({ preset: 'github', secrets: [secret] })
  const before = receiver.received.length
  const body = 'x'.repeat(40_000)
  await send(source, {
    ...{ body, search: '?a=1', headers: { ...signed(body, 'wrong'), authorization: 'Bearer correct-horse' } },
  })
  const [kept] = await refusalsOf(source, 1)
  assert.partialDeepStrictEqual(kept, {
    ...{
      reason: 'signature_mismatch',
      method: 'POST',
      query: 'a=1',
      body_bytes: 40_000,
      body_truncated: true,
    },
    ...{ body: 'x'.repeat(16_384), body_encoding: 'utf-8' },
  })
  assert.match(String(kept?.detail), /compare the secret/)
  assert.doesNotMatch(JSON.stringify(kept), /correct-horse/)
  assert.equal(Object(kept?.headers)['x-hub-signature-256'], signed(body, 'wrong')['x-hub-signature-256'])
  const many = Array.from({ length: 130 }, () => send(source, { body: '{}' }))
  await Promise.all(many)
  await eventually(
    async () => (await call('GET', `/sources/${source.id}`)).json.received.refused,
    refused => refused === 131,
  )
  const rows = (await call('GET', `/sources/${source.id}/refusals?limit=250`)).json
  assert.equal(rows.length, 100)
  assert.ok(rows.every((row: { reason: string }) => row.reason === 'missing_signature'))
  const page = await fetch(`${world.url}/sources/${source.id}/refusals?limit=10`)
  const next = /<([^>]+)>/.exec(page.headers.get('link') ?? '')?.[1] ?? ''
  const following = await (await fetch(new URL(next, world.url))).json()
  assert.equal(Object(following)[0].id, rows[10].id)
  assert.equal(receiver.received.length, before)
})

test('the owner is told once when a source refuses what comes, and what came is counted', async t => {
  const told = await startReceiver()
  t.after(() => told.close())
  await client(world.url).subscribe({
    ...{ target_url: `${told.origin}/`, event_types: ['source.rejecting'] },
    filter: { payload: { data: { name: 'repositories' } } },
  })
  const source = await aSource({ name: 'repositories', preset: 'github', secrets: [secret] })
  assert.equal((await send(source, { body: '{}', headers: signed('{}') })).status, 200)
  const refuse = (times: number) =>
    Promise.all(
      Array.from({ length: times }, () => send(source, { body: '{}', headers: signed('{}', 'old') })),
    )
  await refuse(4)
  await refuse(4)
  await told.waitFor(1, 30_000)
  const [event] = told.received
  const { type, data } = JSON.parse(String(event?.body))
  assert.equal(type, 'source.rejecting')
  assert.partialDeepStrictEqual(data, {
    ...{ tenant: 'default', source_id: String(source.id), name: 'repositories', preset: 'github' },
    reason: 'signature_mismatch',
  })
  assert.equal((await send(source, { body: '{}', headers: signed('{}') })).status, 200)
  await refuse(6)
  const { received } = await eventually(
    async () => (await call('GET', `/sources/${source.id}`)).json,
    one => one.received.refused === 14,
  )
  assert.partialDeepStrictEqual(received, {
    accepted: 2,
    refused: 14,
    refused_in_a_row: 6,
    last_reason: 'signature_mismatch',
  })
  assert.equal(told.received.length, 1)
})

test('an event that its catalogue refuses, or that is too large, is kept as refused, and the provider is told why', async () => {
  const answer = await call('PUT', '/event-types/invoice.paid', {
    ...{ validate: 'reject', schema: { type: 'object', required: ['total'] } },
  })
  assert.ok(answer.status < 300, answer.text)
  const source = await aSource({ preset: 'github', secrets: [secret], event_type: 'invoice.paid' })
  const refused = await send(source, { body: '{}', headers: signed('{}') })
  assert.equal(refused.status, 422)
  assert.equal((await refusalsOf(source, 1))[0]?.reason, 'payload_refused')
  const body = '{"total":1}'
  assert.equal((await send(source, { body, headers: signed(body) })).status, 200)
  assert.equal((await send(source, { bytes: Buffer.alloc(1_048_577) })).status, 413)
  const [large] = await refusalsOf(source, 2)
  assert.deepEqual([large?.reason, large?.body, large?.body_bytes], ['body_too_large', '', 1_048_577])
})

test('very long headers, tokens and lists end soon, and with an answer', async () => {
  const source = await aSource({ preset: 'stripe', secrets: [secret] })
  /** Fetch sends no header of that length. */
  const raw = (headers: Record<string, string>, url = source.url) =>
    new Promise<number>((resolve, reject) => {
      const request = httpRequest(url, { method: 'POST', headers }, answer => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      request.on('error', reject)
      request.end('{}')
    })
  const from = performance.now()
  assert.equal(await raw({ 'stripe-signature': `t=1${',v1=00'.repeat(1000)}` }), 401)
  assert.equal(await raw({ 'stripe-signature': 'x'.repeat(200_000) }), 431)
  assert.equal(await raw({}, `${world.url}/in/${'a'.repeat(3000)}`), 401)
  assert.equal(await raw({}, `${world.url}/in/%00`), 401)
  assert.ok(performance.now() - from < 5000)
  const [kept] = await refusalsOf(source, 1)
  assert.equal(kept?.reason, 'timestamp_too_old')
})

test('what a provider says cannot end a line, begin a header, or be more than a header takes', async () => {
  const templates = {
    'X-Theirs': '{metadata.provider_id}',
    'X-Kind': '{event_type}',
    'X-Both': '{event_id}{metadata.provider_id}',
  }
  await using own = await startReceiver()
  await client(world.url).subscribe({
    ...{ target_url: `${own.origin}/hostile`, event_types: ['hostile.*'], header_templates: templates },
    signing: {
      scheme: 'custom',
      custom: {
        content: '{metadata.provider_id}{body}',
        header: 'X-Sig',
        value: '{metadata.provider_id} {signature}',
      },
    },
  })
  const source = await aSource({
    ...{ preset: 'hmac', secrets: [secret], event_type: 'hostile.{field:kind}', dedupe: ['field:id'] },
    ...{ forward_headers: ['x-*'], forward_prefix: '' },
  })
  const ids = [
    'a\r\nX-Evil: 1',
    'é\u2028\u0000\ud800%0d%0a',
    'n'.repeat(20_000),
    '__proto__',
    '{metadata.x}{{',
    '𝒳'.repeat(3000),
  ]
  for (const [n, theirs] of ids.entries()) {
    const body = JSON.stringify({ kind: `k\r\nX-Evil: ${n}\u00fc`, id: theirs })
    // As bytes of the header: letters of Latin-1, which HTTP allows.
    const headers = {
      'x-signature': createHmac('sha256', secret).update(body).digest('hex'),
      'x-raw': '\u00fc\u00ff',
    }
    const status = await new Promise<number>((resolve, reject) => {
      const request = httpRequest(source.url, { method: 'POST', headers }, answer => {
        answer.resume()
        resolve(answer.statusCode ?? 0)
      })
      request.on('error', reject)
      request.end(Buffer.from(body)) // Node writes headers before a string as UTF-8
    })
    assert.equal(status, 200)
    await own.waitFor(n + 1)
    const got = own.received[n]
    assert.ok(got)
    assert.equal(got.body.toString(), body)
    assert.ok(!Object.keys(got.headers).some(name => name.includes('evil')), theirs)
    assert.match(String(got.headers['x-kind']), /^hostile\.k__X-Evil:_\d_$/)
    assert.equal(got.headers['x-raw'], '\u00fc\u00ff')
    for (const name of ['x-theirs', 'x-both', 'x-sig']) {
      const value = String(got.headers[name])
      assert.match(value, /^[\x20-\x7e]+$/)
      assert.ok(value.length <= 2048, `${name}: ${value.length}`)
    }
    assert.ok(
      theirs
        .toWellFormed()
        .replaceAll('\u0000', '')
        .startsWith(decodeURIComponent(String(got.headers['x-theirs']))),
      theirs,
    )
  }
})

test('JSON that is deep, wide or strange ends soon, with an answer, and reads no names of the language', async () => {
  const source = await aSource({
    ...{
      preset: 'hmac',
      secrets: [secret],
      event_type: '{field:__proto__.kind}{field:a.b.c.d}',
      dedupe: ['field:id'],
    },
  })
  const bodies = [
    '['.repeat(60_000),
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
    `{${Array.from({ length: 4000 }, (_, n) => `"k${n}":${n}`).join(',')}}`,
    '{"id":1e99999,"a":{"b":null}}',
    `{"id":${'9'.repeat(50_000)}}`,
    '{"__proto__":{"kind":"x"},"constructor":{"prototype":{"polluted":true}}}',
    '{"id":{"toString":1},"a":{"b":{"c":{"d":["x"]}}}}',
    '\u0000',
    '"a text alone"',
  ]
  const from = performance.now()
  for (const body of bodies) {
    const headers = {
      'x-signature': createHmac('sha256', secret).update(body).digest('hex'),
      'content-type': 'application/json',
    }
    const { status, text } = await send(source, { body, headers })
    assert.equal(status, 200, text)
  }
  assert.ok(performance.now() - from < 10_000)
  assert.equal(Object(Object.prototype).polluted, undefined)
})
