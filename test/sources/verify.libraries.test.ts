import assert from 'node:assert/strict'
import { generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import { sign as signForGithub, verify as verifyOfGithub } from '@octokit/webhooks-methods'
import { Paddle } from '@paddle/paddle-node-sdk'
import { EventWebhook } from '@sendgrid/eventwebhook'
import { verifyKey } from 'discord-interactions'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import Stripe from 'stripe'
import { Webhook as SvixWebhook } from 'svix'
import { InboundRequest } from '../../src/sources/inbound-request.ts'
import { presetOf } from '../../src/sources/presets.ts'
import type { Verified } from '../../src/sources/verified.ts'
import { verifyRequest } from '../../src/sources/verify.ts'
import { providers } from '../support/providers.ts'

// Signatures by the providers' own libraries, where there are such: those that sign, sign for us; those that only verify,
// verify what our tests send as their provider.

const now = Math.floor(Date.now() / 1000) * 1000
const body = '{"type":"order.paid","id":"evt_1","total":"é"}'
const secret = 'It’s a secret'
const whsec = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const otherWhsec = 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'

interface Given {
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

function check(
  id: string,
  { headers, body: text = body }: Given,
  secrets: readonly string[],
  at = now,
): Verified {
  const preset = presetOf(id)
  assert.ok(preset)
  const request = new InboundRequest({ method: 'POST', headers, search: '', body: Buffer.from(text) })
  return verifyRequest(preset.verification, request, { secrets, now: at })
}

const verified = (which: number) => ({ kind: 'verified', secret: which })
const refused = (reason: string) => ({ kind: 'failed', reason })

/** A library that signs. */
interface Signer {
  readonly secrets: readonly [string, string]
  readonly sign: (secret: string, at: number) => Given['headers'] | Promise<Given['headers']>
  /** Seconds; undefined: it signs no time. */
  readonly tolerance?: number
}

const standardHeaders = (name: string, signature: string, at: number) => ({
  [`${name}-id`]: 'msg_1',
  [`${name}-timestamp`]: String(at / 1000),
  [`${name}-signature`]: signature,
})

const signers: Readonly<Record<string, Signer>> = {
  github: {
    secrets: [secret, 'another'],
    sign: async with_ => ({ 'x-hub-signature-256': await signForGithub(with_, body) }),
  },
  stripe: {
    secrets: ['whsec_one', 'whsec_two'],
    sign: (with_, at) => ({
      'stripe-signature': Stripe.webhooks.generateTestHeaderString({
        ...{ payload: body, secret: with_, timestamp: at / 1000 },
      }),
    }),
    tolerance: 300,
  },
  svix: {
    secrets: [whsec, otherWhsec],
    sign: (with_, at) =>
      standardHeaders('svix', new SvixWebhook(with_).sign('msg_1', new Date(at), body), at),
    tolerance: 300,
  },
  'standard-webhooks': {
    secrets: [whsec, otherWhsec],
    sign: (with_, at) =>
      standardHeaders('webhook', new StandardWebhook(with_).sign('msg_1', new Date(at), body), at),
    tolerance: 300,
  },
}

for (const [id, { secrets, sign: signWith, tolerance }] of Object.entries(signers)) {
  test(`${id}: what its own library signs is believed, with either secret, and nothing else is`, async () => {
    const [first, second] = secrets
    const headers = await signWith(first, now)
    assert.deepEqual(check(id, { headers }, [first]), verified(0))
    assert.deepEqual(check(id, { headers: await signWith(second, now) }, secrets), verified(1))
    assert.deepEqual(check(id, { headers }, [second]), refused('signature_mismatch'))
    const changed = { headers, body: body.replace('paid', 'paiD') }
    assert.deepEqual(check(id, changed, [first]), refused('signature_mismatch'))
    if (tolerance === undefined) return
    const late = now + (tolerance + 1) * 1000
    assert.deepEqual(check(id, { headers }, [first], late), refused('timestamp_too_old'))
    const early = now - (tolerance + 1) * 1000
    assert.deepEqual(check(id, { headers }, [first], early), refused('timestamp_in_future'))
  })
}

/** What our tests send as a provider. */
function ownSent(id: string) {
  const provider = providers[id]
  assert.ok(provider)
  const [first] = provider.secrets
  return { ...provider.send(first, Date.now(), provider.body), secret: first }
}

test('what the tests send as GitHub, Discord, SendGrid and Paddle is believed by their own libraries', async () => {
  const github = ownSent('github')
  const signature = github.headers['x-hub-signature-256'] ?? ''
  assert.ok(await verifyOfGithub(github.secret, github.body, signature))
  const discord = ownSent('discord')
  const { headers } = discord
  const [hex = '', time = ''] = [headers['x-signature-ed25519'], headers['x-signature-timestamp']]
  assert.ok(await verifyKey(discord.body, hex, time, discord.secret))
  const sendgrid = ownSent('sendgrid')
  const name = 'x-twilio-email-event-webhook'
  const webhook = new EventWebhook()
  const key = webhook.convertPublicKeyToECDSA(sendgrid.secret)
  const of = (header: string) => sendgrid.headers[`${name}-${header}`] ?? ''
  assert.ok(webhook.verifySignature(key, sendgrid.body, of('signature'), of('timestamp')))
  const paddle = ownSent('paddle')
  const text =
    '{"event_type":"order.paid","event_id":"evt_1","notification_id":"n","occurred_at":"x","data":{}}'
  const sent = providers.paddle?.send(paddle.secret, Date.now(), text)
  const unmarshal = new Paddle('key').webhooks.unmarshal
  await unmarshal.call(
    new Paddle('key').webhooks,
    text,
    paddle.secret,
    sent?.headers['paddle-signature'] ?? '',
  )
})

test('SendGrid’s library and this service agree on a signature with a carriage return in what is signed', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  const text = '[{"event":"open"}]\r\n'
  const signature = sign('sha256', Buffer.from(`1700000000${text}`), privateKey).toString('base64')
  const webhook = new EventWebhook()
  assert.ok(webhook.verifySignature(webhook.convertPublicKeyToECDSA(key), text, signature, '1700000000'))
  const headers = {
    'x-twilio-email-event-webhook-signature': signature,
    'x-twilio-email-event-webhook-timestamp': '1700000000',
  }
  assert.deepEqual(check('sendgrid', { headers, body: text }, [key]), verified(0))
  const changed = { headers, body: text.replace('\r\n', '\n') }
  assert.deepEqual(check('sendgrid', changed, [key]), refused('signature_mismatch'))
})
