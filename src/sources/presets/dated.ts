import type { Preset } from '../preset.ts'
import { hmacIn, standard, stripeLike, v0 } from './schemes.ts'

// Providers that sign with an HMAC, and when: an old request that somebody has kept is refused.

export const datedPresets: readonly Preset[] = [
  {
    id: 'calendly',
    name: 'Calendly',
    documentation: 'https://developer.calendly.com/api-docs/ZG9jOjM2MzE2MDM4-webhook-signatures',
    secret: 'The signing key of the webhook subscription',
    verification: stripeLike('calendly-webhook-signature'),
    eventType: [{ field: 'event' }],
    dedupe: [],
  },
  {
    id: 'linear',
    name: 'Linear',
    documentation: 'https://linear.app/developers/webhooks',
    secret: 'The signing secret of the webhook',
    verification: hmacIn('linear-signature', 'hex', ['body'], {
      timestamp: { at: { at: { field: 'webhookTimestamp' } }, unit: 'ms', toleranceSeconds: 60 },
    }),
    eventType: [{ header: 'linear-event' }, { field: 'type' }],
    dedupe: [{ header: 'linear-delivery' }],
  },
  {
    id: 'paddle',
    name: 'Paddle',
    documentation: 'https://developer.paddle.com/webhooks/signature-verification',
    secret: 'The secret key of the notification destination',
    verification: hmacIn('paddle-signature', 'hex', ['timestamp', { text: ':' }, 'body'], {
      split: ';',
      prefix: 'h1=',
      timestamp: {
        at: { at: { header: 'paddle-signature' }, split: ';', prefix: 'ts=' },
        unit: 's',
        toleranceSeconds: 60,
      },
    }),
    eventType: [{ field: 'event_type' }],
    dedupe: [{ field: 'event_id' }],
  },
  {
    id: 'slack',
    name: 'Slack',
    documentation: 'https://docs.slack.dev/authentication/verifying-requests-from-slack/',
    secret: 'The signing secret of the app',
    verification: v0('x-slack-signature', 'x-slack-request-timestamp'),
    eventType: [{ field: 'event.type' }, { field: 'type' }, { form: 'command' }],
    dedupe: [{ field: 'event_id' }],
    challenge: {
      kind: 'echo field',
      where: { field: 'type' },
      is: 'url_verification',
      field: { field: 'challenge' },
    },
    // Whoever gave a command would read anything else.
    answer: { status: 200, content_type: 'text/plain', body: '' },
  },
  {
    id: 'standard-webhooks',
    name: 'Standard Webhooks',
    documentation:
      'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
    secret: 'whsec_…, or the public key whpk_…',
    verification: standard('webhook'),
    eventType: [{ field: 'type' }],
    dedupe: [{ header: 'webhook-id' }],
  },
  {
    id: 'stripe',
    name: 'Stripe',
    documentation: 'https://docs.stripe.com/webhooks/signature',
    secret: 'The signing secret of the endpoint, with its whsec_',
    verification: stripeLike('stripe-signature'),
    eventType: [{ field: 'type' }],
    dedupe: [{ field: 'id' }],
  },
  {
    id: 'svix',
    name: 'Svix',
    documentation: 'https://docs.svix.com/receiving/verifying-payloads/how-manual',
    secret: 'whsec_…',
    verification: standard('svix'),
    eventType: [{ field: 'type' }],
    dedupe: [{ header: 'svix-id' }],
  },
  {
    id: 'twitch',
    name: 'Twitch EventSub',
    documentation: 'https://dev.twitch.tv/docs/eventsub/handling-webhook-events/',
    secret: 'The secret of the subscription',
    verification: hmacIn('twitch-eventsub-message-signature', 'hex', ['id', 'timestamp', 'body'], {
      prefix: 'sha256=',
      id: { header: 'twitch-eventsub-message-id' },
      timestamp: {
        at: { at: { header: 'twitch-eventsub-message-timestamp' } },
        unit: 'iso',
        toleranceSeconds: 600,
      },
    }),
    eventType: [{ header: 'twitch-eventsub-subscription-type' }],
    dedupe: [{ header: 'twitch-eventsub-message-id' }],
    challenge: {
      kind: 'echo field',
      where: { header: 'twitch-eventsub-message-type' },
      is: 'webhook_callback_verification',
      field: { field: 'challenge' },
    },
  },
  {
    id: 'zendesk',
    name: 'Zendesk',
    documentation: 'https://developer.zendesk.com/documentation/webhooks/verifying/',
    secret: 'The signing secret of the webhook',
    verification: hmacIn('x-zendesk-webhook-signature', 'base64', ['timestamp', 'body'], {
      timestamp: {
        at: { at: { header: 'x-zendesk-webhook-signature-timestamp' } },
        unit: 'iso',
        toleranceSeconds: 300,
      },
    }),
    eventType: [{ field: 'type' }],
    dedupe: [{ header: 'x-zendesk-webhook-invocation-id' }],
  },
  {
    id: 'zoom',
    name: 'Zoom',
    documentation: 'https://developers.zoom.us/docs/api/webhooks/',
    secret: 'The secret token of the app',
    verification: v0('x-zm-signature', 'x-zm-request-timestamp'),
    eventType: [{ field: 'event' }],
    dedupe: [],
    challenge: {
      kind: 'signed field',
      where: { field: 'event' },
      is: 'endpoint.url_validation',
      field: { field: 'payload.plainToken' },
      as: 'plainToken',
      signedAs: 'encryptedToken',
    },
  },
]
