import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { AccessTokens } from '../../../src/destinations/http/access-tokens.ts'
import { TokenEndpoint } from '../../../src/destinations/http/token-endpoint.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import type { ReceiverCredentials } from '../../../src/subscriptions/auth.ts'
import { testEgress } from '../../support/egress.ts'
import { httpDestination } from '../../support/http-destination.ts'
import { startReceiver } from '../../support/receiver.ts'
import { aSubscription } from '../../support/subscription.ts'
import { startTokenEndpoint } from '../../support/token-endpoint.ts'

/** Of a subscription that is not saved, so that nothing is shared: that is what access-tokens.test.ts is about. */
const alone = {
  ...{ read: async () => undefined, claim: async () => true, write: async () => {}, giveUp: async () => {} },
}

function sender(t: TestContext, tokenUrl: string, capture: 'all' | 'none' = 'all') {
  const endpoint = new TokenEndpoint(testEgress().connector)
  const tokens = new AccessTokens({ clock: systemClock(), endpoint, share: alone })
  const { destination } = httpDestination(t, { tokens, capture: { of: capture, bodyBytesMax: 1000 } })
  const oauth = {
    ...{ subscriptionId: 0, fingerprint: 'one', tokenUrl, clientId: 'me', clientSecret: 'correct horse' },
    ...({ clientAuth: 'basic', scope: null, audience: null } as const),
  }
  const credentials: ReceiverCredentials = { key: 'one', oauth, tls: null }
  const deliver = (origin: string, timeoutMs = 30_000) => {
    const to = aSubscription({ origin, credentials })
    return destination.deliver(
      { to, headers: ['Authorization', 'of the sender', 'x-own', 'v'], body: Buffer.from('{}') },
      timeoutMs,
    )
  }
  return { destination, deliver }
}

test('a message carries an access token, which the log does not show', async t => {
  await using endpoint = await startTokenEndpoint()
  await using receiver = await startReceiver(({ headers }) => ({ body: `you sent ${headers.authorization}` }))
  const { deliver } = sender(t, endpoint.url)
  const outcome = await deliver(receiver.origin)
  assert.equal(outcome.kind, 'accepted')
  assert.equal(receiver.received[0]?.headers.authorization, 'Bearer token-1')
  assert.equal(receiver.received[0]?.headers['x-own'], 'v')
  assert.equal(outcome.exchange?.request.headers.authorization, '[redacted]')
  assert.doesNotMatch(String(outcome.exchange?.responseBody), /token-1/)
})

test('after a 401 it is sent once more with another token, within the same attempt', async t => {
  await using endpoint = await startTokenEndpoint()
  await using receiver = await startReceiver(({ headers }) => ({
    status: headers.authorization === 'Bearer token-2' ? 204 : 401,
  }))
  const outcome = await sender(t, endpoint.url).deliver(receiver.origin)
  assert.deepEqual([outcome.kind, outcome.httpStatus, outcome.isRepeated], ['accepted', 204, undefined])
  assert.deepEqual([receiver.received.length, endpoint.received.length], [2, 2])
})

test('a receiver that answers 401 to the other token, too, has refused; the next attempts fetch none', async t => {
  await using endpoint = await startTokenEndpoint()
  await using receiver = await startReceiver({ status: 401 })
  const { deliver } = sender(t, endpoint.url)
  for (let n = 0; n < 3; n++) {
    const outcome = await deliver(receiver.origin)
    assert.deepEqual([outcome.kind, outcome.httpStatus], ['refused', 401])
  }
  assert.deepEqual([receiver.received.length, endpoint.received.length], [4, 2])
})

test('without a token nothing is sent, and the receiver is not blamed', async t => {
  await using endpoint = await startTokenEndpoint(() => ({ status: 503 }))
  await using receiver = await startReceiver()
  const outcome = await sender(t, endpoint.url).deliver(receiver.origin)
  assert.equal(outcome.kind, 'unreachable')
  const { kind: _, durationMs: __, exchange, ...rest } = outcome
  assert.deepEqual(rest, {
    ...{ fault: 'credentials', errorClass: 'credentials', errorCode: 'TOKEN_FAILED' },
    error: 'the token endpoint answered 503',
  })
  assert.equal(exchange?.response, null)
  assert.equal(exchange?.request.headers['x-own'], '[redacted]')
  assert.equal(receiver.received.length, 0)
  const unseen = await sender(t, endpoint.url, 'none').deliver(receiver.origin)
  assert.equal(unseen.exchange, undefined)
})

test('token and answer share the time of the attempt', async t => {
  await using endpoint = await startTokenEndpoint(() => ({ fault: 'hang' }))
  await using receiver = await startReceiver({ fault: 'hang' })
  const slowToken = await sender(t, endpoint.url).deliver(receiver.origin, 100)
  assert.equal(slowToken.kind === 'unreachable' && slowToken.errorCode, 'TOKEN_TIMEOUT')
  await using quick = await startTokenEndpoint()
  const slowAnswer = await sender(t, quick.url).deliver(receiver.origin, 200)
  assert.equal(slowAnswer.kind === 'unreachable' && slowAnswer.errorClass, 'timeout')
  assert.ok(slowAnswer.durationMs >= 190, `${slowAnswer.durationMs} ms`)
})

test('a destination that is closed ends what waits for a token, by our own fault', async t => {
  await using endpoint = await startTokenEndpoint(() => ({ fault: 'hang' }))
  const { destination, deliver } = sender(t, endpoint.url)
  const waiting = deliver('http://127.0.0.1:9')
  await endpoint.waitFor(1)
  await destination.close()
  const outcome = await waiting
  assert.equal(outcome.kind === 'unreachable' && outcome.fault, 'ours')
})
