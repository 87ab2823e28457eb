import type { Place, Preset, Verification } from '../preset.ts'
import { hmacIn, oneOf } from './schemes.ts'

// Providers that sign the URL, or some values of the body.

const adyenItem = (name: string): Place => ({ field: `notificationItems.0.NotificationRequestItem.${name}` })
const colon = { text: ':' }

/** The body is not signed: only this pair of values. */
const mailgun = (signature: string): Verification => ({
  ...{ kind: 'hmac', hash: 'sha256', key: 'utf8', encoding: 'hex' },
  signature: { at: { field: `signature.${signature}` } },
  signed: ['timestamp', { field: 'signature.token' }],
  // It tries for eight hours, with the same time and token. A token is good for one event.
  timestamp: { at: { at: { field: 'signature.timestamp' } }, unit: 's', toleranceSeconds: 32_400 },
})

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
    // What happens in a subaccount is signed with the key of its owner, too.
    verification: oneOf([mailgun('signature'), mailgun('parent-signature')]),
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
    // A message that came in has only `SmsStatus`; Event Streams send lists of CloudEvents.
    eventType: [
      { form: 'EventType' },
      { form: 'MessageStatus' },
      { form: 'SmsStatus' },
      { form: 'CallStatus' },
      { field: '0.type' },
    ],
    dedupe: [{ header: 'i-twilio-idempotency-token' }],
    // Anything else is an error of a call or a message.
    answer: { status: 200, content_type: 'text/xml', body: '<Response/>' },
    needsPublicUrl: true,
  },
]
