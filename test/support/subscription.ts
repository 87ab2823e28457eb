import { createSecretKey } from 'node:crypto'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { headersOf } from '../../src/subscriptions/signing.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'

export const signingKey = createSecretKey(Buffer.from('a signing key of 24 byte'))

/** A subscription as the path of an event sees it; say only what matters to the test. */
export function aSubscription(changes: Partial<Subscription> = {}): Subscription {
  return {
    id: 1,
    tenant: 'default',
    targetUrl: 'http://127.0.0.1:9/hook',
    origin: 'http://127.0.0.1:9',
    path: '/hook',
    secret: null,
    inbound: null,
    signingKeys: [{ scheme: 'v1', key: signingKey, expiresAt: null }],
    textKeys: [],
    signingHeaders: headersOf({}),
    headers: ['accept', '*/*'],
    credentials: null,
    uid: null,
    eventTypes: null,
    eventTypePatterns: [],
    channels: null,
    filter: null,
    disabled: false,
    paused: false,
    isFailing: false,
    retry: defaultRetryPolicy,
    timeoutMs: 1000,
    connectTimeoutMs: 500,
    maxInFlight: 10,
    isAdaptive: false,
    rateLimit: null,
    ordered: false,
    orderingKey: null,
    format: 'raw',
    extras: null,
    forwardTraceparent: false,
    capture: null,
    version: 1,
    stateSince: 0,
    ...changes,
  }
}
