import type { Preset } from '../preset.ts'
import { bearer, oneOf, seconds, standardHmac } from './schemes.ts'

// Providers that sign with a key pair, send the secret itself, or nothing.

const generic = {
  documentation: null,
  eventType: [{ header: 'x-event-type' }],
  dedupe: [{ header: 'x-event-id' }],
} as const

export const keyPresets: readonly Preset[] = [
  {
    id: 'discord',
    name: 'Discord',
    documentation: 'https://discord.com/developers/docs/events/webhook-events',
    secret: 'The public key of the application (hex)',
    verification: {
      kind: 'public key',
      algorithm: 'ed25519',
      key: 'raw hex',
      signature: { at: { header: 'x-signature-ed25519' } },
      encoding: 'hex',
      signed: ['timestamp', 'body'],
      timestamp: seconds('x-signature-timestamp'),
    },
    eventType: [{ field: 'event.type' }],
    dedupe: [],
    challenge: {
      kind: 'ping',
      where: { field: 'type' },
      // Of webhook events a ping has type 0; of interactions it has type 1, which an event has as well.
      unless: { field: 'event.type' },
      answers: { '0': { status: 204 }, '1': { status: 200, json: { type: 1 } } },
    },
    answer: { status: 204, content_type: 'text/plain', body: '' },
  },
  {
    id: 'sendgrid',
    name: 'SendGrid',
    documentation:
      'https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features',
    secret: 'The verification key of the signed event webhook (base64)',
    verification: {
      kind: 'public key',
      algorithm: 'ecdsa-sha256',
      key: 'spki base64',
      signature: { at: { header: 'x-twilio-email-event-webhook-signature' } },
      encoding: 'base64',
      signed: ['timestamp', 'body'],
      timestamp: seconds('x-twilio-email-event-webhook-timestamp', null),
    },
    eventType: [{ field: '0.event' }],
    dedupe: [],
  },
]

export const tokenPresets: readonly Preset[] = [
  {
    ...generic,
    id: 'api-key',
    name: 'Any sender with an API key in x-api-key',
    secret: 'The key',
    verification: { kind: 'token', token: { at: { header: 'x-api-key' } } },
  },
  {
    id: 'azure-event-grid',
    name: 'Azure Event Grid',
    documentation:
      'https://learn.microsoft.com/en-us/azure/event-grid/end-point-validation-event-grid-events-schema',
    secret: 'The value of the query parameter `code` of the URL that you give to Event Grid',
    verification: { kind: 'token', token: { at: { query: 'code' } } },
    // None is dropped as a repeat: a request may have several events, and another set of them when it is sent again.
    eventType: [{ field: '0.eventType' }],
    dedupe: [],
    challenge: { kind: 'event grid' },
  },
  {
    ...generic,
    id: 'basic',
    name: 'Any sender with basic authentication',
    secret: 'user:password',
    verification: { kind: 'basic' },
  },
  {
    ...generic,
    id: 'bearer',
    name: 'Any sender with a bearer token',
    secret: 'The token, without the word Bearer',
    verification: bearer,
  },
  {
    id: 'cloudevents',
    name: 'CloudEvents over HTTP',
    documentation: 'https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md',
    secret: 'The token that the sender gives as Authorization: Bearer, or as access_token in the address',
    // The specification has both; Event Grid can have either.
    verification: oneOf([bearer, { kind: 'token', token: { at: { query: 'access_token' } } }]),
    eventType: [{ header: 'ce-type' }, { field: 'type' }],
    // An id is one event's only together with its source.
    dedupe: [],
    challenge: { kind: 'cloudevents' },
  },
  {
    id: 'gitlab',
    name: 'GitLab',
    documentation: 'https://docs.gitlab.com/user/project/integrations/webhooks/',
    secret: 'The signing token of the webhook (whsec_…), or its secret token',
    // Which of them a request has is the owner's choice at GitLab: the signature came in 2026.
    verification: oneOf([
      standardHmac('webhook'),
      { kind: 'token', token: { at: { header: 'x-gitlab-token' } } },
    ]),
    eventType: [{ header: 'x-gitlab-event' }],
    dedupe: [{ header: 'idempotency-key' }],
  },
  {
    id: 'microsoft-graph',
    name: 'Microsoft Graph (Outlook, Teams, SharePoint)',
    documentation: 'https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks',
    secret: 'The clientState of the subscription',
    verification: { kind: 'token', token: { at: { field: 'value.0.clientState' } } },
    eventType: [{ field: 'value.0.lifecycleEvent' }, { field: 'value.0.changeType' }],
    dedupe: [],
    // Whoever knows the URL gets the answer, as nothing in the question shows who asks.
    challenge: { kind: 'echo query', method: 'POST', parameter: 'validationToken' },
  },
  {
    ...generic,
    id: 'none',
    name: 'Any sender that knows the URL',
    secret: 'None is needed',
    verification: { kind: 'none' },
  },
]
