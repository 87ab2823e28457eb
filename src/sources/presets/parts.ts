import type { Place, Preset } from '../preset.ts'
import { hmacIn } from './schemes.ts'

// Providers that sign the URL, or some values of the body.

const adyenItem = (name: string): Place => ({ field: `notificationItems.0.NotificationRequestItem.${name}` })
const colon = { text: ':' }

export const partPresets: readonly Preset[] = [
  {
    id: 'adyen',
    name: 'Adyen (standard webhooks, JSON)',
    documentation:
      'https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures/',
    secret: 'The HMAC key of the webhook (hex)',
    verification: {
      kind: 'hmac',
      hash: 'sha256',
      key: 'hex',
      signature: { at: adyenItem('additionalData.hmacSignature') },
      encoding: 'base64',
      // The body is not signed: only these values of its first item.
      signed: [
        adyenItem('pspReference'),
        colon,
        adyenItem('originalReference'),
        colon,
        adyenItem('merchantAccountCode'),
        colon,
        adyenItem('merchantReference'),
        colon,
        adyenItem('amount.value'),
        colon,
        adyenItem('amount.currency'),
        colon,
        adyenItem('eventCode'),
        colon,
        adyenItem('success'),
      ],
    },
    eventType: [adyenItem('eventCode')],
    dedupe: [],
    answer: { status: 200, content_type: 'text/plain', body: '[accepted]' },
  },
  {
    id: 'hubspot',
    name: 'HubSpot (signature v3)',
    documentation: 'https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests',
    secret: 'The client secret of the app',
    verification: hmacIn(
      'x-hubspot-signature-v3',
      'base64',
      ['method', 'url partly decoded', 'body', 'timestamp'],
      {
        timestamp: {
          at: { at: { header: 'x-hubspot-request-timestamp' } },
          unit: 'ms',
          toleranceSeconds: 300,
        },
      },
    ),
    eventType: [{ field: '0.subscriptionType' }],
    dedupe: [],
    needsPublicUrl: true,
  },
  {
    id: 'mailgun',
    name: 'Mailgun',
    documentation: 'https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks',
    secret: 'The HTTP webhook signing key',
    verification: {
      kind: 'hmac',
      hash: 'sha256',
      key: 'utf8',
      signature: { at: { field: 'signature.signature' } },
      encoding: 'hex',
      // The body is not signed: only this pair of values.
      signed: ['timestamp', { field: 'signature.token' }],
      timestamp: { at: { at: { field: 'signature.timestamp' } }, unit: 's', toleranceSeconds: 300 },
    },
    eventType: [{ field: 'event-data.event' }],
    dedupe: [{ field: 'signature.token' }],
  },
  {
    id: 'square',
    name: 'Square',
    documentation: 'https://developer.squareup.com/docs/webhooks/step3validate',
    secret: 'The signature key of the webhook subscription',
    verification: hmacIn('x-square-hmacsha256-signature', 'base64', ['url', 'body']),
    eventType: [{ field: 'type' }],
    dedupe: [{ field: 'event_id' }],
    needsPublicUrl: true,
  },
  {
    id: 'twilio',
    name: 'Twilio',
    documentation: 'https://www.twilio.com/docs/usage/security#validating-requests',
    secret: 'The auth token of the account',
    verification: hmacIn('x-twilio-signature', 'base64', ['url with or without port', 'sorted form'], {
      hash: 'sha1',
      bodyHash: { query: 'bodySHA256' },
    }),
    eventType: [{ form: 'EventType' }, { form: 'MessageStatus' }, { form: 'CallStatus' }],
    dedupe: [{ header: 'i-twilio-idempotency-token' }],
    // Anything else is an error of a call or a message.
    answer: { status: 200, content_type: 'text/xml', body: '<Response/>' },
    needsPublicUrl: true,
  },
]
