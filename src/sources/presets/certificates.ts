import type { Piece, Preset } from '../preset.ts'

// Providers that sign with a key of their own for all their customers, and show its certificate at an address of theirs.

const lines = (...names: readonly string[]): readonly Piece[] => names.map(line => ({ line }))

/** Nobody but Amazon has names under these. The path has no dots that could lead elsewhere. */
const amazonHost = 'https://sns\\.[a-z0-9-]{1,40}\\.amazonaws\\.com(?:\\.cn)?'
const confirmation = lines('Message', 'MessageId', 'SubscribeURL', 'Timestamp', 'Token', 'TopicArn', 'Type')

export const certificatePresets: readonly Preset[] = [
  {
    id: 'aws-sns',
    name: 'AWS SNS',
    documentation: 'https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html',
    secret: 'The ARN of the topic: Amazon signs for the topics of all its customers',
    verification: {
      kind: 'certificate',
      url: { field: 'SigningCertURL' },
      urlPattern: new RegExp(`^${amazonHost}/SimpleNotificationService-[0-9a-f]{1,64}\\.pem$`),
      hash: { at: { field: 'SignatureVersion' }, values: { '1': 'sha1', '2': 'sha256' } },
      signature: { at: { field: 'Signature' } },
      encoding: 'base64',
      signed: {
        at: { field: 'Type' },
        values: {
          Notification: lines('Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'),
          SubscriptionConfirmation: confirmation,
          UnsubscribeConfirmation: confirmation,
        },
      },
      // Amazon tries for up to an hour, with the same time.
      timestamp: { at: { at: { field: 'Timestamp' } }, unit: 'iso', toleranceSeconds: 3900 },
      sender: { field: 'TopicArn' },
      secretPattern: /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[A-Za-z0-9_.-]{1,256}$/,
    },
    eventType: [{ field: 'Type' }],
    dedupe: [{ field: 'MessageId' }],
    challenge: {
      kind: 'visit',
      where: { field: 'Type' },
      is: 'SubscriptionConfirmation',
      url: { field: 'SubscribeURL' },
      urlPattern: new RegExp(`^${amazonHost}/\\?Action=ConfirmSubscription&[A-Za-z0-9%=&:._-]{1,2000}$`),
    },
  },
  {
    id: 'paypal',
    name: 'PayPal',
    documentation: 'https://developer.paypal.com/api/rest/webhooks/rest/',
    secret: 'The id of the webhook: PayPal signs for all its customers',
    verification: {
      kind: 'certificate',
      url: { header: 'paypal-cert-url' },
      urlPattern:
        /^https:\/\/api\.(?:sandbox\.)?paypal\.com\/v1\/notifications\/certs\/CERT-[A-Za-z0-9-]{1,128}$/,
      hash: { at: { header: 'paypal-auth-algo' }, values: { SHA256withRSA: 'sha256' } },
      signature: { at: { header: 'paypal-transmission-sig' } },
      encoding: 'base64',
      // Of the body only a CRC-32 is signed, which another body can be made to have. The id is signed, too: it is used once.
      signed: {
        at: { header: 'paypal-auth-algo' },
        values: {
          SHA256withRSA: [
            'id',
            { text: '|' },
            'timestamp',
            { text: '|' },
            'secret',
            { text: '|' },
            'body crc32',
          ],
        },
      },
      // PayPal tries for three days, with the same time.
      timestamp: {
        at: { at: { header: 'paypal-transmission-time' } },
        unit: 'iso',
        toleranceSeconds: 262_800,
      },
      id: { header: 'paypal-transmission-id' },
      secretPattern: /^[A-Za-z0-9_-]{5,64}$/,
    },
    eventType: [{ field: 'event_type' }],
    dedupe: [{ header: 'paypal-transmission-id' }],
  },
]
