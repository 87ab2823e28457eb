import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign as signWith } from 'node:crypto'
import { crc32 } from 'node:zlib'

// How providers sign, written by their documentation and with nothing of ours: what tests of presets are measured by.

/** What a provider sends. */
export interface Sent {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly search: string
  readonly body: string
  readonly publicUrl?: string
}

export interface Provider {
  /** Two secrets as they are given to us. */
  readonly secrets: readonly [string, string]
  readonly body: string
  /** Signed with one of the secrets. */
  readonly send: (secret: string, nowMs: number, body: string) => Sent
  /** Another text in place of this one in the body, or of `search`, changes what is signed. Undefined: nothing is signed. */
  readonly change?: readonly [string, string]
  /** Signs with this key for all its customers, which are told from each other by their secrets. */
  readonly certified?: KeyObject
  /** How far the time may be off, in seconds; undefined: none is signed. */
  readonly tolerance?: number
  /** The event type and id that are to be read; undefined: there is none. */
  readonly type?: string
  readonly repeat?: string
}

type Encoding = 'hex' | 'base64'
const hmac = (secret: string | Buffer, text: string, encoding: Encoding = 'hex', hash = 'sha256') =>
  createHmac(hash, secret).update(text).digest(encoding)

const post = (body: string, headers: Record<string, string>, search = ''): Sent => ({
  method: 'POST',
  headers: { 'content-type': 'application/json', ...headers },
  search,
  body,
})

const two = ['8f742231b10e8888abcd99yyyzzz85a5', 'another secret'] as const
const json =
  '{"type":"order.paid","id":"evt_1","event_id":"evt_1","event_type":"order.paid","event":"order.paid"}'
const paid = ['order.paid', 'order.paiD'] as const
const typed = { type: 'order.paid' }
const repeated = { repeat: 'evt_1' }
const plain = { secrets: two, body: json, change: paid }

const bodySigned = (
  header: string,
  { encoding = 'hex', prefix = '' }: { readonly encoding?: Encoding; readonly prefix?: string } = {},
  more: Record<string, string> = {},
): Provider => ({
  ...plain,
  send: (secret, _now, body) => post(body, { [header]: prefix + hmac(secret, body, encoding), ...more }),
})

const seconds = (ms: number) => String(Math.floor(ms / 1000))

const stripe = (header: string): Provider => ({
  ...plain,
  send: (secret, now, body) => {
    const t = seconds(now)
    return post(body, { [header]: `t=${t},v1=${hmac(secret, `${t}.${body}`)},v0=6ffbb59b2300` })
  },
  tolerance: 300,
})

const v0 = (signature: string, timestamp: string, body = json): Provider => ({
  ...plain,
  body,
  send: (secret, now, text) => {
    const t = seconds(now)
    return post(text, { [timestamp]: t, [signature]: `v0=${hmac(secret, `v0:${t}:${text}`)}` })
  },
  tolerance: 300,
})

const standard = (name: string): Provider => ({
  ...plain,
  secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'],
  send: (secret, now, body) => {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64')
    const signature = `v1,${hmac(key, `msg_1.${seconds(now)}.${body}`, 'base64')}`
    return post(body, {
      [`${name}-id`]: 'msg_1',
      [`${name}-timestamp`]: seconds(now),
      [`${name}-signature`]: signature,
    })
  },
  tolerance: 300,
  ...typed,
  repeat: 'msg_1',
})

const token = (send: (secret: string, body: string) => Sent, secrets = two as readonly [string, string]) =>
  ({ secrets, body: json, send: (secret, _now, body) => send(secret, body) }) satisfies Provider

/** Public keys by their text, each with its private key. */
const pairs = new Map<string, KeyObject>()

function ed25519(): string {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519')
  const text = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')
  pairs.set(text, privateKey)
  return text
}

function p256(): string {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const text = publicKey.export({ format: 'der', type: 'spki' }).toString('base64')
  pairs.set(text, privateKey)
  return text
}

function privateKeyOf(publicKey: string): KeyObject {
  const found = pairs.get(publicKey)
  if (!found) throw new Error('a public key of another test')
  return found
}

/** With which Amazon and PayPal sign; tests make a certificate for it where they need one. */
export const certified = generateKeyPairSync('rsa', { modulusLength: 2048 })

/** A message of Amazon SNS, signed as its documentation says: names and values in order, each on a line. */
export function snsMessage(
  fields: Readonly<Record<string, string>>,
  now: number,
  version: '1' | '2' = '2',
  host = 'https://sns.us-east-1.amazonaws.com',
): string {
  const message: Record<string, string> = { ...fields, Timestamp: new Date(now).toISOString() }
  const names =
    fields.Type === 'Notification'
      ? ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type']
      : ['Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type']
  const text = names
    .filter(name => message[name] !== undefined)
    .map(name => `${name}\n${message[name]}\n`)
    .join('')
  const signature = signWith(version === '1' ? 'sha1' : 'sha256', Buffer.from(text), certified.privateKey)
  return JSON.stringify({
    ...message,
    SignatureVersion: version,
    Signature: signature.toString('base64'),
    SigningCertURL: `${host}/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem`,
  })
}

const adyenItem = {
  additionalData: { hmacSignature: '' },
  amount: { currency: 'EUR', value: 1130 },
  eventCode: 'AUTHORISATION',
  eventDate: '2026-11-29T05:00:00+01:00',
  merchantAccountCode: 'TestMerchant',
  merchantReference: 'TestPayment-1407325143704',
  pspReference: '7914073381342284',
  success: 'true',
}

export const publicUrl = 'https://hooks.example.com/in/abc'

/** By the ids of their presets. */
export const providers: Readonly<Record<string, Provider>> = {
  adyen: {
    secrets: [
      '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056',
      '009E9E92268087AAD241638D3325201AFE8AAE6F3DCD369B6D32E87129FFAB10',
    ],
    body: 'TestPayment-1407325143704',
    send: (secret, _now, merchantReference) => {
      const item = { ...adyenItem, merchantReference }
      const signed = `7914073381342284::TestMerchant:${merchantReference}:1130:EUR:AUTHORISATION:true`
      item.additionalData = { hmacSignature: hmac(Buffer.from(secret, 'hex'), signed, 'base64') }
      return post(
        JSON.stringify({ live: 'false', notificationItems: [{ NotificationRequestItem: item }] }),
        {},
      )
    },
    change: ['TestPayment', 'testPayment'],
    type: 'AUTHORISATION',
  },
  'api-key': token((secret, body) => post(body, { 'x-api-key': secret })),
  'aws-sns': {
    secrets: ['arn:aws:sns:us-east-1:123456789012:orders', 'arn:aws:sns:us-east-1:123456789012:others'],
    body: 'order.paid',
    send: (topic, now, text) => {
      const fields = { Type: 'Notification', MessageId: 'm-1', TopicArn: topic, Subject: 'S', Message: text }
      const headers = {
        'content-type': 'text/plain; charset=UTF-8',
        'x-amz-sns-message-type': 'Notification',
      }
      return post(snsMessage(fields, now), headers)
    },
    change: paid,
    certified: certified.publicKey,
    tolerance: 3900,
    type: 'Notification',
    repeat: 'm-1',
  },
  'azure-event-grid': token((secret, body) => post(`[${body}]`, {}, `?code=${encodeURIComponent(secret)}`)),
  basic: token(
    (secret, body) => post(body, { authorization: `Basic ${Buffer.from(secret).toString('base64')}` }),
    ['ann:a:b', 'ben:secret'],
  ),
  bearer: token((secret, body) => post(body, { authorization: `Bearer ${secret}` })),
  bitbucket: {
    ...bodySigned(
      'x-hub-signature',
      { prefix: 'sha256=' },
      { 'x-event-key': 'repo:push', 'x-request-uuid': 'u' },
    ),
    type: 'repo:push',
    repeat: 'u',
  },
  calendly: { ...stripe('calendly-webhook-signature'), ...typed },
  cloudevents: { ...token((secret, body) => post(body, { authorization: `Bearer ${secret}` })), ...typed },
  discord: {
    secrets: [ed25519(), ed25519()],
    body: '{"version":1,"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}',
    send: (secret, now, body) => {
      const content = Buffer.from(seconds(now) + body)
      const signature = signWith(null, content, privateKeyOf(secret)).toString('hex')
      return post(body, { 'x-signature-ed25519': signature, 'x-signature-timestamp': seconds(now) })
    },
    change: ['AUTHORIZED', 'AUTHORIZEd'],
    tolerance: 300,
    type: 'APPLICATION_AUTHORIZED',
  },
  docusign: { ...bodySigned('x-docusign-signature-1', { encoding: 'base64' }), ...typed },
  dropbox: bodySigned('x-dropbox-signature'),
  forgejo: {
    ...bodySigned('x-forgejo-signature', {}, { 'x-forgejo-event': 'push', 'x-forgejo-delivery': 'd' }),
    type: 'push',
    repeat: 'd',
  },
  gitea: {
    ...bodySigned('x-gitea-signature', {}, { 'x-gitea-event': 'push', 'x-gitea-delivery': 'd' }),
    type: 'push',
    repeat: 'd',
  },
  github: {
    ...bodySigned(
      'x-hub-signature-256',
      { prefix: 'sha256=' },
      { 'x-github-event': 'push', 'x-github-delivery': 'd' },
    ),
    type: 'push',
    repeat: 'd',
  },
  gitlab: {
    ...token((secret, body) =>
      post(body, { 'x-gitlab-token': secret, 'x-gitlab-event': 'Push Hook', 'idempotency-key': 'k' }),
    ),
    type: 'Push Hook',
    repeat: 'k',
  },
  hmac: {
    ...bodySigned('x-signature', {}, { 'x-event-type': 'a.b', 'x-event-id': '1' }),
    type: 'a.b',
    repeat: '1',
  },
  hookdeck: {
    ...bodySigned('x-hookdeck-signature', { encoding: 'base64' }, { 'x-hookdeck-eventid': 'h' }),
    repeat: 'h',
  },
  hubspot: {
    ...plain,
    body: `[{"subscriptionType":"order.paid"}]`,
    send: (secret, now, body) => {
      // It signs the URL with these characters decoded.
      const signed = `POST${publicUrl}?at=a:b/c%20d${body}${now}`
      const signature = hmac(secret, signed, 'base64')
      const headers = { 'x-hubspot-signature-v3': signature, 'x-hubspot-request-timestamp': String(now) }
      return { ...post(body, headers, '?at=a%3Ab%2fc%20d'), publicUrl }
    },
    tolerance: 300,
    ...typed,
  },
  intercom: {
    ...plain,
    body: '{"type":"notification_event","topic":"order.paid","id":"evt_1"}',
    send: (secret, _now, body) =>
      post(body, { 'x-hub-signature': `sha1=${hmac(secret, body, 'hex', 'sha1')}` }),
    ...typed,
    ...repeated,
  },
  linear: {
    ...plain,
    // The time is in the body.
    send: (secret, now, body) => {
      const text = `${body.slice(0, -1)},"webhookTimestamp":${now}}`
      return post(text, { 'linear-signature': hmac(secret, text), 'linear-delivery': 'l' })
    },
    tolerance: 60,
    ...typed,
    repeat: 'l',
  },
  mailgun: {
    ...plain,
    body: 'a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0',
    send: (secret, now, value) => {
      const signature = {
        timestamp: seconds(now),
        token: value,
        signature: hmac(secret, seconds(now) + value),
      }
      return post(JSON.stringify({ signature, 'event-data': { event: 'opened' } }), {})
    },
    change: ['a8ce', 'b8ce'],
    tolerance: 32_400,
    type: 'opened',
    repeat: 'a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0',
  },
  meta: {
    ...bodySigned('x-hub-signature-256', { prefix: 'sha256=' }),
    body: '{"object":"page","entry":"order.paid"}',
    type: 'page',
  },
  'microsoft-graph': {
    ...token((secret, body) => post(body.replace('STATE', JSON.stringify(secret).slice(1, -1)), {})),
    body: '{"value":[{"subscriptionId":"s","clientState":"STATE","changeType":"updated","resource":"me/messages/1"}]}',
    type: 'updated',
  },
  none: { ...token((_secret, body) => post(body, { 'x-event-type': 'a.b' })), type: 'a.b' },
  paddle: {
    ...plain,
    send: (secret, now, body) => {
      const ts = seconds(now)
      return post(body, { 'paddle-signature': `ts=${ts};h1=${hmac(secret, `${ts}:${body}`)}` })
    },
    tolerance: 60,
    ...typed,
    ...repeated,
  },
  pagerduty: {
    ...plain,
    body: '{"event":{"event_type":"order.paid"}}',
    send: (secret, _now, body) =>
      post(body, {
        'x-pagerduty-signature': `v1=${'0'.repeat(64)},v1=${hmac(secret, body)}`,
        'x-webhook-id': 'w',
      }),
    ...typed,
    repeat: 'w',
  },
  sendgrid: {
    secrets: [p256(), p256()],
    body: '[{"event":"order.paid"}]',
    change: paid,
    send: (secret, now, body) => {
      const content = Buffer.from(seconds(now) + body)
      const signature = signWith('sha256', content, privateKeyOf(secret)).toString('base64')
      const name = 'x-twilio-email-event-webhook'
      return post(body, { [`${name}-signature`]: signature, [`${name}-timestamp`]: seconds(now) })
    },
    ...typed,
  },
  shopify: {
    ...bodySigned(
      'x-shopify-hmac-sha256',
      { encoding: 'base64' },
      { 'x-shopify-topic': 'orders/create', 'x-shopify-webhook-id': 's' },
    ),
    type: 'orders/create',
    repeat: 's',
  },
  slack: { ...v0('x-slack-signature', 'x-slack-request-timestamp'), ...typed, ...repeated },
  paypal: {
    ...plain,
    secrets: ['8PT597110X687430LKGECATA', '0EH40505U7160970P'],
    send: (webhookId, now, body) => {
      const at = new Date(now).toISOString()
      const signed = `t-1|${at}|${webhookId}|${crc32(Buffer.from(body))}`
      return post(body, {
        'paypal-transmission-id': 't-1',
        'paypal-transmission-time': at,
        'paypal-cert-url': 'https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270',
        'paypal-auth-algo': 'SHA256withRSA',
        'paypal-transmission-sig': signWith('sha256', Buffer.from(signed), certified.privateKey).toString(
          'base64',
        ),
      })
    },
    certified: certified.publicKey,
    tolerance: 262_800,
    ...typed,
    repeat: 't-1',
  },
  square: {
    ...plain,
    send: (secret, _now, body) => {
      const signature = hmac(secret, publicUrl + body, 'base64')
      return { ...post(body, { 'x-square-hmacsha256-signature': signature }), publicUrl }
    },
    ...typed,
    ...repeated,
  },
  'standard-webhooks': standard('webhook'),
  stripe: { ...stripe('stripe-signature'), ...typed, ...repeated },
  svix: standard('svix'),
  twilio: {
    ...plain,
    body: 'To=%2B18005551212&From=%2B14158675309&MessageStatus=sent&Digits=1234&Caller=order.paid',
    send: (secret, _now, body) => {
      // Names and values, sorted by name, after the URL.
      const given = [...new URLSearchParams(body)].sort(([one], [other]) => (one < other ? -1 : 1))
      const signed = `${publicUrl}?foo=1${given.map(pair => pair.join('')).join('')}`
      const headers = {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        'x-twilio-signature': hmac(secret, signed, 'base64', 'sha1'),
        'i-twilio-idempotency-token': 'i',
      }
      return { ...post(body, headers, '?foo=1'), publicUrl }
    },
    type: 'sent',
    repeat: 'i',
  },
  twitch: {
    ...plain,
    send: (secret, now, body) => {
      // With nanoseconds, as it sends them.
      const at = new Date(now).toISOString().replace('Z', '634226Z')
      const name = 'twitch-eventsub'
      return post(body, {
        [`${name}-message-id`]: 'm',
        [`${name}-message-timestamp`]: at,
        [`${name}-message-signature`]: `sha256=${hmac(secret, `m${at}${body}`)}`,
        [`${name}-message-type`]: 'notification',
        [`${name}-subscription-type`]: 'channel.follow',
      })
    },
    tolerance: 600,
    type: 'channel.follow',
    repeat: 'm',
  },
  typeform: {
    ...bodySigned('typeform-signature', { encoding: 'base64', prefix: 'sha256=' }),
    ...typed,
    ...repeated,
  },
  woocommerce: {
    ...bodySigned(
      'x-wc-webhook-signature',
      { encoding: 'base64' },
      { 'x-wc-webhook-topic': 'order.created', 'x-wc-webhook-delivery-id': 'w' },
    ),
    type: 'order.created',
  },
  zendesk: {
    ...plain,
    send: (secret, now, body) => {
      const at = new Date(now).toISOString().replace(/\.\d+Z/, 'Z')
      const name = 'x-zendesk-webhook'
      return post(body, {
        [`${name}-signature`]: hmac(secret, at + body, 'base64'),
        [`${name}-signature-timestamp`]: at,
        [`${name}-invocation-id`]: 'z',
      })
    },
    tolerance: 300,
    ...typed,
    repeat: 'z',
  },
  zoom: { ...v0('x-zm-signature', 'x-zm-request-timestamp'), ...typed },
}

/** The hash of a body that Twilio puts into the URL where the body is JSON. */
export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
