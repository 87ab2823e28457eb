import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { readConfig } from '../../src/config/config.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { startService } from '../../src/service/service.ts'
import { eventually } from '../support/eventually.ts'
import { type Program, type Received, type Receiver, startReceiver } from '../support/receiver.ts'
import { client, type TestService, testService } from '../support/service.ts'
import { startTokenEndpoint } from '../support/token-endpoint.ts'

// The ownership check, seen from outside. Its tenants are made by each test, so that none counts for another.

let world: TestService
before(async () => {
  world = await testService({ PUBLIC_URL: 'https://hooks.example.com' })
})
after(() => world[Symbol.asyncDispose]())

const json = { 'content-type': 'application/json' }

interface Answer {
  readonly id: number
  readonly state: string
  readonly state_reason: string | null
  readonly verification: {
    readonly state: string
    readonly method: string
    readonly asked_at: string | null
    readonly verified_at: string | null
    readonly reason: string | null
    readonly allowed_per_minute: number | null
  } | null
}

async function call(method: string, path: string, body?: object) {
  const answer = await fetch(`${world.url}${path}`, {
    method,
    ...(body && { headers: json, body: JSON.stringify(body) }),
  })
  const read = answer.headers.get('content-type')?.includes('json') ? await answer.json() : undefined
  return { status: answer.status, body: read as Answer & Record<string, unknown>, headers: answer.headers }
}

let tenants = 0
async function aTenant(check: string | null): Promise<string> {
  const id = `t${++tenants}`
  const { status } = await call('POST', '/tenants', { id, name: id, ownership_check: check })
  assert.equal(status, 201)
  return id
}

const challengeIn = ({ body }: Received): string | undefined => {
  const event = JSON.parse(body.toString())
  return event.type === 'webhook.verification' ? event.data.challenge : undefined
}

/** A receiver that answers a challenge as JSON, and takes everything else. */
const willing: Program = request => {
  const challenge = challengeIn(request)
  return challenge === undefined ? {} : { body: JSON.stringify({ challenge }) }
}

async function subscribe(tenant: string, receiver: Receiver, more: object = {}): Promise<number> {
  const body = { tenant, target_url: `${receiver.origin}/hooks`, ...more }
  const made = await call('POST', '/subscriptions/', body)
  assert.equal(made.status, 201)
  return made.body.id
}

const read = (id: number) => call('GET', `/subscriptions/${id}`).then(({ body }) => body)
const verified = (id: number) =>
  eventually(
    () => read(id),
    ({ verification }) => verification?.state === 'verified',
  )
const failed = (id: number) =>
  eventually(
    () => read(id),
    ({ verification }) => verification?.state === 'failed',
  )

test('a receiver that answers the challenge is active, and gets what came meanwhile by its own address', async () => {
  const go = Promise.withResolvers<void>()
  await using receiver = await startReceiver(request => {
    const challenge = challengeIn(request)
    return challenge === undefined ? {} : { body: challenge, after: go.promise }
  })
  const tenant = await aTenant('challenge')
  const id = await subscribe(tenant, receiver)
  await receiver.waitFor(1)
  const [question] = receiver.received
  assert.equal(question?.headers['x-event-type'], 'webhook.verification')
  assert.match(String(question?.headers['webhook-signature']), /^v1,/)
  const waiting = await read(id)
  assert.deepEqual([waiting.state, waiting.verification?.state], ['disabled', 'pending'])
  assert.match(waiting.state_reason ?? '', /verify/)
  await client(world.url).ingest(id, '{"n":1}')
  const published = await call('POST', `/events?tenant=${tenant}`, { n: 2 })
  assert.deepEqual(
    [published.status, published.body.deliveries],
    [202, 0],
    'what is published does not go to it',
  )
  assert.equal((await call('POST', `/subscriptions/${id}/resume`)).status, 409)

  go.resolve()
  const now = await verified(id)
  assert.equal(now.state, 'active')
  assert.equal(now.state_reason, null)
  await receiver.waitFor(2)
  assert.equal(receiver.received[1]?.body.toString(), '{"n":1}')
  const { body: entries } = await call('GET', `/audit?tenant=${tenant}`)
  const actions = (entries as unknown as { action: string }[]).map(({ action }) => action)
  assert.ok(actions.includes('subscription.verified'), `${actions}`)
})

test('one that answers something else is not sent to, says why, and can be asked again', async () => {
  let isWilling = false
  await using receiver = await startReceiver((request, index) =>
    isWilling && typeof willing === 'function' ? willing(request, index) : { body: '{"challenge":"mine"}' },
  )
  const id = await subscribe(await aTenant('challenge'), receiver)
  const first = await failed(id)
  assert.equal(first.state, 'disabled')
  assert.match(first.verification?.reason ?? '', /not with the challenge/)
  const soon = await call('POST', `/subscriptions/${id}/verify`)
  assert.equal(soon.status, 429)
  assert.equal(soon.body.code, 'too_many_checks')
  assert.ok(Number(soon.headers.get('retry-after')) >= 1)

  isWilling = true
  world.clock.advance(6000)
  const again = await call('POST', `/subscriptions/${id}/verify`)
  assert.deepEqual(
    [again.status, again.body.state, again.body.verification?.state],
    [200, 'active', 'verified'],
  )
  const count = receiver.received.length
  assert.equal((await call('POST', `/subscriptions/${id}/verify`)).status, 200)
  assert.equal(receiver.received.length, count, 'one that is verified is not asked')
})

test('what hinders the question is told in a few words, and not what the receiver said', async () => {
  await using receiver = await startReceiver({ status: 503, body: 'inner secrets' })
  const tenant = await aTenant('challenge')
  const refused = await failed(await subscribe(tenant, receiver))
  assert.equal(refused.verification?.reason, 'the request that asks got HTTP 503')
  const { body } = await call('POST', '/subscriptions/', { tenant, target_url: 'http://127.0.0.1:9/' })
  assert.match(
    (await failed(body.id)).verification?.reason ?? '',
    /^the request that asks failed \([a-z_]+\)$/,
  )
})

test('the handshake of CloudEvents: who asks is told, a name or * is a yes, and the allowed rate is kept to', async () => {
  await using receiver = await startReceiver(request =>
    request.method === 'OPTIONS'
      ? { headers: { 'WebHook-Allowed-Origin': 'hooks.example.com', 'WebHook-Allowed-Rate': '120' } }
      : {},
  )
  const tenant = await aTenant('cloudevents')
  const limit = { rate_limit: { requests: 10, per_seconds: 1 } }
  const id = await subscribe(tenant, receiver, limit)
  const now = await verified(id)
  assert.equal(now.verification?.allowed_per_minute, 120)
  const [question] = receiver.received
  assert.deepEqual(
    [
      question?.method,
      question?.headers['webhook-request-origin'],
      question?.headers['webhook-request-rate'],
    ],
    ['OPTIONS', 'hooks.example.com', '600'],
  )
  assert.equal(question?.body.length, 0)
  assert.equal((await call('POST', `/subscriptions/${id}/test`, {})).body.delivered, true)
  assert.equal(receiver.received[1]?.headers['webhook-request-origin'], 'hooks.example.com')
  const open = await startReceiver({ status: 405, headers: { 'WebHook-Allowed-Origin': '*' } })
  assert.equal((await verified(await subscribe(tenant, open))).verification?.allowed_per_minute, null)
  const other = await startReceiver({ headers: { 'WebHook-Allowed-Origin': 'somebody.else' } })
  const not = await failed(await subscribe(tenant, other))
  assert.match(not.verification?.reason ?? '', /WebHook-Allowed-Origin: hooks\.example\.com/)
  await Promise.all([open.close(), other.close()])
})

test('a new address is asked anew, and a pause is not ended by an answer', async () => {
  await using receiver = await startReceiver(willing)
  await using other = await startReceiver(willing)
  const id = await subscribe(await aTenant('challenge'), receiver)
  await verified(id)
  assert.equal(
    (await call('PATCH', `/subscriptions/${id}`, { description: 'as before' })).body.state,
    'active',
  )
  const patch = { target_url: `${other.origin}/`, paused: true }
  const moved = await call('PATCH', `/subscriptions/${id}`, patch)
  assert.equal(moved.body.verification?.state, 'pending')
  const now = await verified(id)
  assert.equal(now.state, 'paused')
  assert.equal(other.received.length, 1)
  await client(world.url).ingest(id, '{"n":1}')
  assert.equal((await call('POST', `/subscriptions/${id}/resume`)).body.state, 'active')
  await other.waitFor(2)
  assert.equal(other.received[1]?.body.toString(), '{"n":1}')
})

test('without a rule nobody is asked; a rule that is gone lets a subscription be resumed', async () => {
  await using receiver = await startReceiver({ status: 500 })
  const tenant = await aTenant(null)
  const plain = await subscribe(tenant, receiver)
  const now = await read(plain)
  assert.deepEqual([now.state, now.verification], ['active', null])
  assert.equal((await call('POST', `/subscriptions/${plain}/verify`)).status, 200)
  assert.equal(receiver.received.length, 0)

  assert.equal((await call('PATCH', `/tenants/${tenant}`, { ownership_check: 'challenge' })).status, 200)
  const asked = await subscribe(tenant, receiver)
  await failed(asked)
  assert.equal((await call('PATCH', `/tenants/${tenant}`, { ownership_check: 'off' })).status, 200)
  const resumed = await call('POST', `/subscriptions/${asked}/resume`)
  assert.deepEqual([resumed.status, resumed.body.state, resumed.body.verification], [200, 'active', null])
  assert.equal((await call('PATCH', `/tenants/${tenant}`, { ownership_check: 'maybe' })).status, 422)
})

test('a tenant cannot look through addresses by it: after thirty it has to wait', async () => {
  await using receiver = await startReceiver({ status: 404 })
  const tenant = await aTenant('challenge')
  const ids: number[] = []
  for (let n = 0; n < 32; n++) {
    ids.push(await subscribe(tenant, receiver))
    if (n < 30) await receiver.waitFor(n + 1)
  }
  const last = ids.at(-1) as number
  const refused = await call('POST', `/subscriptions/${last}/verify`)
  assert.deepEqual([refused.status, refused.body.code], [429, 'too_many_checks'])
  assert.ok(receiver.received.length <= 31, `${receiver.received.length} requests`)
  assert.equal((await read(last)).verification?.state, 'pending')
})

test('nothing is sent by hand to who was not heard, saved or not; with a yes it is', async () => {
  await using receiver = await startReceiver(request =>
    challengeIn(request) === undefined
      ? {}
      : { status: receiver.received.length > 1 ? 200 : 500, body: challengeIn(request) ?? '' },
  )
  const tenant = await aTenant('challenge')
  const id = await subscribe(tenant, receiver)
  await failed(id)
  const test = { payload: { any: 'content' } }
  const refused = await call('POST', `/subscriptions/${id}/test`, test)
  assert.deepEqual([refused.status, refused.body.code], [409, 'not_verified'])
  const draft = { tenant, target_url: `${receiver.origin}/elsewhere`, ...test }
  const unsaved = await call('POST', '/subscriptions/test', draft)
  assert.deepEqual([unsaved.status, unsaved.body.code], [409, 'not_verified'])
  assert.equal(receiver.received.length, 1)
  const own = await call('POST', '/test-receivers', { tenant })
  assert.equal(
    (await call('POST', '/subscriptions/test', { ...draft, target_url: own.body.url })).status,
    200,
  )
  world.clock.advance(6000)
  assert.equal((await call('POST', `/subscriptions/${id}/verify`)).body.state, 'active')
  assert.equal((await call('POST', `/subscriptions/${id}/test`, test)).body.delivered, true)
})

test('it is asked with the credentials of the subscription, in both ways', async () => {
  await using tokens = await startTokenEndpoint()
  await using receiver = await startReceiver(request => ({
    headers: { 'WebHook-Allowed-Origin': '*' },
    body: request.method === 'OPTIONS' ? '' : (challengeIn(request) ?? ''),
  }))
  const oauth2 = { type: 'oauth2', token_url: tokens.url, client_id: 'c', client_secret: 's' }
  for (const [auth, expected] of [
    [
      { type: 'basic', username: 'shop', password: 'sesame' },
      `Basic ${Buffer.from('shop:sesame').toString('base64')}`,
    ],
    [{ type: 'bearer', token: 'a-token' }, 'Bearer a-token'],
    [oauth2, /^Bearer token-\d$/],
  ] as const)
    for (const check of ['challenge', 'cloudevents']) {
      const before = receiver.received.length
      await verified(await subscribe(await aTenant(check), receiver, { auth, headers: { 'X-Key': 'k' } }))
      const { headers } = receiver.received[before] ?? {}
      assert.match(
        headers?.authorization ?? '',
        expected instanceof RegExp ? expected : new RegExp(`^${expected}$`),
      )
      assert.equal(headers?.['x-key'], 'k')
    }
  const failing = { ...oauth2, token_url: 'http://127.0.0.1:9/token' }
  const refused = await failed(await subscribe(await aTenant('challenge'), receiver, { auth: failing }))
  assert.equal(refused.verification?.reason, 'the request that asks failed (credentials)')
})

test('a check that nobody waits for any more is asked again by the next start', async t => {
  await using receiver = await startReceiver(willing)
  const tenant = await aTenant('challenge')
  const ids = [
    await subscribe(tenant, receiver),
    await subscribe(tenant, receiver),
    await subscribe(tenant, receiver),
  ]
  for (const id of ids) await verified(id)
  const [asked, never, just] = ids
  const pending = (id: number | undefined, at: string | null) =>
    world.world.database.query({
      text: `update subscriptions set state = 'disabled', state_since = now() - interval '2 minutes',
        verification = verification || jsonb_build_object('state', 'pending', 'asked_at', $2::text) where id = $1`,
      values: [id, at],
    })
  const now = world.clock.now()
  await pending(asked, new Date(now - 61_000).toISOString())
  await pending(never, null)
  await pending(just, new Date(now).toISOString())
  const logger = silentLogger()
  const next = await startService({ config: readConfig(world.environment), logger, clock: world.clock })
  t.after(() => next.close())
  for (const id of [asked, never]) assert.equal((await verified(Number(id))).state, 'active')
  assert.equal((await read(Number(just))).verification?.state, 'pending')
  const { body } = await call('GET', '/audit?limit=1')
  assert.deepEqual(Object(body)[0].actor, { kind: 'operator', id: null, name: 'the service' })
})

test('a test receiver of the service is known, and not asked', async () => {
  const tenant = await aTenant('challenge')
  const made = await call('POST', '/test-receivers', { tenant })
  const { body } = await call('POST', '/subscriptions/', { tenant, target_url: made.body.url })
  assert.deepEqual([body.state, body.verification], ['active', null])
})

test('a tenant sees and asks of its own subscriptions only', async () => {
  await using receiver = await startReceiver({ status: 500 })
  const id = await subscribe(await aTenant('challenge'), receiver)
  const other = await aTenant('challenge')
  assert.equal((await call('POST', `/subscriptions/${id}/verify?tenant=${other}`)).status, 404)
  assert.equal((await call('POST', '/subscriptions/999999/verify')).status, 404)
})
