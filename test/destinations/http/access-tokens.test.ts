import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import type { AccessTokens } from '../../../src/destinations/http/access-tokens.ts'
import { localOperator } from '../../../src/model/caller.ts'
import { silentLogger } from '../../../src/platform/logger.ts'
import { openTokens } from '../../../src/service/credentials.ts'
import type { OAuthClient } from '../../../src/subscriptions/auth.ts'
import { type FakeClock, fakeClock } from '../../support/clock.ts'
import { testDatabase } from '../../support/database.ts'
import { testEgress } from '../../support/egress.ts'
import { testSealer, testSubscriptions } from '../../support/server.ts'
import { startTokenEndpoint } from '../../support/token-endpoint.ts'

const world = await testDatabase()
after(() => world.close())
const subscriptions = testSubscriptions(world)
const secret = 'correct horse battery staple'

/** A client as a subscription that is saved has it. */
async function clientOf(tokenUrl: string, changes: object = {}): Promise<OAuthClient> {
  const { id } = await subscriptions.create(localOperator, {
    target_url: 'https://example.com/hooks',
    auth: { type: 'oauth2', token_url: tokenUrl, client_id: 'me & you', client_secret: secret, ...changes },
  })
  const client = subscriptions.get(id)?.credentials?.oauth
  assert.ok(client)
  return client
}

/** Those of one process. */
function process(t: TestContext, clock: FakeClock, egress = testEgress()): AccessTokens {
  const tokens = openTokens({
    ...{ database: world.database, clock, logger: silentLogger(), egress, seal: testSealer },
  })
  t.after(() => tokens.close())
  return tokens
}

const textOf = async (access: ReturnType<AccessTokens['get']>) => {
  const got = await access
  return got.kind === 'token' ? got.token : `${got.fault} ${got.errorCode}: ${got.error}`
}

test('one token is fetched for all that wait, by the client credentials of RFC 6749', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url, { scope: 'hooks:write more', audience: 'https://api.test' })
  const tokens = process(t, fakeClock())
  const all = await Promise.all(Array.from({ length: 5 }, () => textOf(tokens.get(client, 5000))))
  assert.deepEqual(new Set(all), new Set(['token-1']))
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-1')
  assert.equal(endpoint.received.length, 1)
  const [request] = endpoint.received
  const pair = Buffer.from(String(request?.headers.authorization).slice('Basic '.length), 'base64').toString()
  assert.equal(pair, 'me+%26+you:correct+horse+battery+staple')
  const form = new URLSearchParams(String(request?.body))
  assert.deepEqual(Object.fromEntries(form), {
    ...{ grant_type: 'client_credentials', scope: 'hooks:write more', audience: 'https://api.test' },
  })
})

test('a client can name itself in the body instead', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url, { client_auth: 'body' })
  await process(t, fakeClock()).get(client, 5000)
  const [request] = endpoint.received
  assert.equal(request?.headers.authorization, undefined)
  const form = new URLSearchParams(String(request?.body))
  assert.deepEqual([form.get('client_id'), form.get('client_secret')], ['me & you', secret])
})

test('processes share a token, and it is sealed where they do', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url)
  const clock = fakeClock()
  const [one, other] = [process(t, clock), process(t, clock)]
  const both = await Promise.all([textOf(one.get(client, 5000)), textOf(other.get(client, 5000))])
  assert.deepEqual(both, ['token-1', 'token-1'])
  assert.equal(await textOf(process(t, clock).get(client, 5000)), 'token-1')
  assert.equal(endpoint.received.length, 1)
  const { rows } = await world.database.query({ text: 'select token from oauth_tokens' })
  assert.doesNotMatch(JSON.stringify(rows), /token-1/)
})

test('it is renewed before it ends, while the old one is still used, and never used after its end', async t => {
  await using endpoint = await startTokenEndpoint(undefined, 600)
  const client = await clientOf(endpoint.url)
  const clock = fakeClock()
  const tokens = process(t, clock)
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-1')
  clock.advance(539_000)
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-1')
  assert.equal(endpoint.received.length, 1)
  clock.advance(2000)
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-1', 'nobody waits for the new one')
  await endpoint.waitFor(2)
  while ((await textOf(tokens.get(client, 5000))) !== 'token-2')
    await new Promise(resolve => setImmediate(resolve))
  clock.advance(600_000)
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-3')
})

test('other credentials get another token', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url)
  const tokens = process(t, fakeClock())
  assert.equal(await textOf(tokens.get(client, 5000)), 'token-1')
  const { subscriptionId: id } = client
  await subscriptions.patch(localOperator, id, { auth: { scope: 'other' } })
  const changed = subscriptions.get(id)?.credentials?.oauth
  assert.ok(changed)
  assert.equal(await textOf(tokens.get(changed, 5000)), 'token-2')
})

test('an endpoint that gives none is left alone for a while, and what it says is told without secrets', async t => {
  let body = `{"error":"invalid_client","error_description":"${secret}"}`
  let status = 401
  await using endpoint = await startTokenEndpoint(() => ({ status, body }))
  const clock = fakeClock()
  const tokens = process(t, clock)
  const client = await clientOf(endpoint.url)
  const ask = () => textOf(tokens.get(client, 5000))
  const refused = 'credentials TOKEN_REFUSED: the token endpoint answered 401: invalid_client'
  assert.deepEqual([await ask(), await ask(), endpoint.received.length], [refused, refused, 1])
  for (const [what, code] of [
    [{ status: 302, body: '' }, 'MOVED: the token endpoint answered 302'],
    [{ status: 500, body: '' }, 'FAILED: the token endpoint answered 500'],
    [{ status: 429, body: '' }, 'FAILED: the token endpoint answered 429'],
    [{ status: 400, body: `{"error":"${secret}"}` }, 'REFUSED: the token endpoint answered 400'],
    [
      { status: 200, body: '<html>' },
      'INVALID: the token endpoint answered without an access token that can be sent',
    ],
    [{ status: 200, body: '{"access_token":"a\\r\\nb"}' }, 'INVALID'],
    [{ status: 200, body: '{"access_token":"a","token_type":"mac"}' }, 'INVALID'],
    [{ status: 200, body: `{"access_token":"${'a'.repeat(70_000)}"}` }, 'INVALID'],
    [{ status: 200, body: `{"access_token":"a"}${' '.repeat(20_000_000)}` }, 'INVALID'],
    [{ status: 200, body: '{"access_token":"\u00fc"}' }, 'INVALID'],
    [{ status: 200, body: '{"access_token":{"toString":1}}' }, 'INVALID'],
    [{ status: 200, body: '{"access_token":"a","token_type":{"toString":1}}' }, 'INVALID'],
    [{ status: 200, body: '{"access_token":"a","token_type":["Bearer"]}' }, 'INVALID'],
    [{ status: 200, body: 'null' }, 'INVALID'],
    [{ status: 200, body: `${'['.repeat(50_000)}` }, 'INVALID'],
  ] as const) {
    clock.advance(2001)
    ;({ status, body } = what)
    const answer = await ask()
    assert.ok(answer.startsWith(`credentials TOKEN_${code}`), answer)
    assert.doesNotMatch(answer, /correct/)
  }
  clock.advance(2001)
  ;({ status, body } = { status: 200, body: '{"access_token":"a","expires_in":{"valueOf":1}}' })
  assert.equal(await ask(), 'a') // how long it holds is no reason to refuse it
})

test('one that is away, slow, or not to be connected to is told apart', async t => {
  await using slow = await startTokenEndpoint(() => ({ fault: 'hang' }))
  const open = process(t, fakeClock())
  assert.match(await textOf(open.get(await clientOf(slow.url), 50)), /^credentials TOKEN_TIMEOUT/)
  const away = await clientOf('http://127.0.0.1:9/token')
  assert.match(await textOf(open.get(away, 5000)), /^credentials TOKEN_UNREACHABLE: .*ECONNREFUSED/)
  const guarded = process(t, fakeClock(), testEgress({ allowPrivateTargets: false }))
  await using inside = await startTokenEndpoint()
  const blocked = await textOf(guarded.get(await clientOf(inside.url), 5000))
  assert.match(blocked, /^credentials TOKEN_BLOCKED/)
  assert.equal(inside.received.length, 0)
})

test('a token that was refused is replaced once; when the fresh one is refused too, it was not the reason', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url)
  const clock = fakeClock()
  const [one, other] = [process(t, clock), process(t, clock)]
  await one.get(client, 5000)
  await other.get(client, 5000)
  const renewed = await one.renew(client, 'token-1', 5000)
  assert.equal(renewed?.kind === 'token' && renewed.token, 'token-2')
  const taken = await other.renew(client, 'token-1', 5000)
  assert.equal(
    taken?.kind === 'token' && taken.token,
    'token-2',
    'the other process takes what this one has got',
  )
  assert.equal(endpoint.received.length, 2)
  one.renewed(client, true)
  assert.equal(await one.renew(client, 'token-2', 5000), undefined)
  clock.advance(30_001)
  const again = await one.renew(client, 'token-2', 5000)
  assert.equal(again?.kind === 'token' && again.token, 'token-3')
})

test('a process that ends while it fetches keeps others waiting for no longer than it may', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url)
  await world.database.query({
    text: `insert into oauth_tokens (subscription_id, fingerprint, fetching_until)
           values ($1, $2, now() + interval '300 milliseconds')`,
    values: [client.subscriptionId, client.fingerprint],
  })
  assert.equal(await textOf(process(t, fakeClock()).get(client, 10_000)), 'token-1')
})

test('what waits for a token ends when the service stops, and that is our own fault', async t => {
  await using endpoint = await startTokenEndpoint(() => ({ fault: 'hang' }))
  const tokens = process(t, fakeClock())
  const waiting = textOf(tokens.get(await clientOf(endpoint.url), 30_000))
  await endpoint.waitFor(1)
  await tokens.close()
  assert.match(await waiting, /^ours /)
})

test('tokens go with their subscription', async t => {
  await using endpoint = await startTokenEndpoint()
  const client = await clientOf(endpoint.url)
  await process(t, fakeClock()).get(client, 5000)
  await subscriptions.remove(localOperator, client.subscriptionId)
  const { rows } = await world.database.query({
    text: 'select from oauth_tokens where subscription_id = $1',
    values: [client.subscriptionId],
  })
  assert.equal(rows.length, 0)
})
