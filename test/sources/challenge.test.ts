import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { answerChallenge, type ChallengeAnswer } from '../../src/sources/challenge.ts'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import { presetOf } from '../../src/sources/presets.ts'
import { verifyRequest } from '../../src/sources/verify.ts'
import { providers, type Sent } from '../support/providers.ts'

const now = Date.parse('2026-11-29T05:00:00Z')

function answer(id: string, sent: Partial<Sent>, secrets: readonly string[]): ChallengeAnswer | undefined {
  const preset = presetOf(id)
  assert.ok(preset)
  const body = Buffer.from(sent.body ?? '')
  const request = new InboundRequest({ method: 'POST', headers: {}, search: '', ...sent, body })
  const verify = () => verifyRequest(preset.verification, request, { secrets, now })
  return answerChallenge(preset.challenge, request, secrets, verify)
}

function signed(id: string, body: string, which: 0 | 1 = 0): Sent {
  const provider = providers[id]
  assert.ok(provider)
  return provider.send(provider.secrets[which], now, body)
}

const secretsOf = (id: string) => providers[id]?.secrets ?? []
const plain = (body: string) => ({
  status: 200,
  headers: { 'content-type': 'text/plain; charset=utf-8' },
  body,
})

test('Slack gets its text back as plain text, when it has signed it', () => {
  const sent = signed('slack', '{"type":"url_verification","challenge":"<b>3eZb</b>"}')
  assert.deepEqual(answer('slack', sent, secretsOf('slack')), plain('<b>3eZb</b>'))
  assert.equal(answer('slack', sent, ['other']), undefined)
  assert.equal(answer('slack', signed('slack', '{"type":"event_callback"}'), secretsOf('slack')), undefined)
  const long = signed('slack', JSON.stringify({ type: 'url_verification', challenge: 'x'.repeat(1025) }))
  assert.equal(answer('slack', long, secretsOf('slack')), undefined)
})

test('Twitch gets its text back', () => {
  const sent = signed('twitch', '{"challenge":"pogchamp"}')
  const type = 'twitch-eventsub-message-type'
  const asked = { ...sent, headers: { ...sent.headers, [type]: 'webhook_callback_verification' } }
  assert.deepEqual(answer('twitch', asked, secretsOf('twitch')), plain('pogchamp'))
  assert.equal(answer('twitch', sent, secretsOf('twitch')), undefined)
  assert.equal(answer('twitch', asked, ['other']), undefined)
})

test('Zoom gets the text and its HMAC, by the secret that it signs with', () => {
  for (const which of [0, 1] as const) {
    const sent = signed('zoom', '{"event":"endpoint.url_validation","payload":{"plainToken":"qgg8"}}', which)
    const secret = secretsOf('zoom')[which] ?? ''
    const got = answer('zoom', sent, secretsOf('zoom'))
    const encryptedToken = createHmac('sha256', secret).update('qgg8').digest('hex')
    assert.deepEqual(JSON.parse(got?.body ?? ''), { plainToken: 'qgg8', encryptedToken })
    assert.equal(answer('zoom', sent, ['other']), undefined)
  }
})

test('Meta and Dropbox get the value of their parameter back, of GET only', () => {
  const meta = { method: 'GET', search: '?hub.mode=subscribe&hub.verify_token=x&hub.challenge=1158201444' }
  assert.deepEqual(answer('meta', meta, []), plain('1158201444'))
  assert.deepEqual(answer('dropbox', { method: 'GET', search: '?challenge=ab' }, []), plain('ab'))
  assert.equal(answer('dropbox', { method: 'POST', search: '?challenge=ab' }, []), undefined)
  assert.equal(answer('dropbox', { method: 'GET', search: `?challenge=${'a'.repeat(1025)}` }, []), undefined)
})

test('Microsoft Graph gets the value of its parameter back, of POST only', () => {
  const search = '?validationToken=Validation%3a+Testing+%3cb%3e'
  assert.deepEqual(
    answer('microsoft-graph', { method: 'POST', search }, []),
    plain('Validation: Testing <b>'),
  )
  assert.equal(answer('microsoft-graph', { method: 'GET', search }, []), undefined)
})

test('a sender of CloudEvents is allowed by its OPTIONS', () => {
  const headers = { 'webhook-request-origin': 'eventemitter.example.com', 'webhook-request-rate': '120' }
  assert.deepEqual(answer('cloudevents', { method: 'OPTIONS', headers }, []), {
    status: 200,
    headers: {
      allow: 'POST, OPTIONS',
      'webhook-allowed-origin': 'eventemitter.example.com',
      'webhook-allowed-rate': '*',
    },
    body: '',
  })
  assert.equal(answer('cloudevents', { method: 'OPTIONS' }, []), undefined)
  const split = { 'webhook-request-origin': 'a\r\nset-cookie: b' }
  assert.equal(answer('cloudevents', { method: 'OPTIONS', headers: split }, []), undefined)
})

test('Event Grid gets its code back, where the URL has ours', () => {
  const body = '[{"data":{"validationCode":"512d38b6"}}]'
  const headers = { 'aeg-event-type': 'SubscriptionValidation' }
  const got = answer('azure-event-grid', { headers, body, search: '?code=s' }, ['s'])
  assert.deepEqual(JSON.parse(got?.body ?? ''), { validationResponse: '512d38b6' })
  assert.equal(answer('azure-event-grid', { headers, body, search: '?code=t' }, ['s']), undefined)
})

test('Discord gets its pings back, of events and of interactions, when it has signed them', () => {
  const secrets = secretsOf('discord')
  assert.deepEqual(answer('discord', signed('discord', '{"type":0}'), secrets), {
    status: 204,
    headers: {},
    body: '',
  })
  const got = answer('discord', signed('discord', '{"type":1}', 1), secrets)
  assert.deepEqual(JSON.parse(got?.body ?? ''), { type: 1 })
  assert.equal(answer('discord', signed('discord', '{"type":1}', 1), secrets.slice(0, 1)), undefined)
  assert.equal(answer('discord', signed('discord', '{"type":1,"event":{"type":"A"}}'), secrets), undefined)
  assert.equal(answer('discord', signed('discord', '{"type":"constructor"}'), secrets), undefined)
})

test('WooCommerce hears that somebody is there, of a form with the id of its webhook alone', () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  assert.deepEqual(answer('woocommerce', { headers, body: 'webhook_id=7' }, ['s']), plain(''))
  for (const body of ['webhook_id=7&total=99', 'webhook_id=7&webhook_id=8', 'total=99', ''])
    assert.equal(answer('woocommerce', { headers, body }, ['s']), undefined, body)
  assert.equal(answer('woocommerce', { headers: {}, body: 'webhook_id=7' }, ['s']), undefined)
})

test('a provider that asks nothing gets no answer of this kind', () => {
  assert.equal(answer('github', signed('github', '{}'), secretsOf('github')), undefined)
})
