import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type ExchangeDetails,
  redactRequest,
  redactResponse,
  sizeOf,
} from '../../src/model/exchange-details.ts'

test('of request headers only what cannot be secret is kept', () => {
  assert.deepEqual(
    redactRequest([
      ...[
        'content-type',
        'application/json',
        'content-encoding',
        'gzip',
        'User-Agent',
        'webhook-delivery-service/1',
      ],
      ...['webhook-id', 'evt_1', 'webhook-timestamp', '1700000000', 'x-event-type', 'order.created'],
      ...[
        'webhook-signature',
        'v1,c2VjcmV0',
        'svix-signature',
        'v1,c2VjcmV0',
        'x-hub-signature-256',
        'sha256=00',
      ],
      ...['Authorization', 'Bearer secret', 'x-api-key', 'secret', 'cookie', 'secret'],
    ]),
    {
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'user-agent': 'webhook-delivery-service/1',
      'webhook-id': 'evt_1',
      'webhook-timestamp': '1700000000',
      'x-event-type': 'order.created',
      'webhook-signature': '[redacted]',
      'svix-signature': '[redacted]',
      'x-hub-signature-256': '[redacted]',
      authorization: '[redacted]',
      'x-api-key': '[redacted]',
      cookie: '[redacted]',
    },
  )
})

test('of response headers cookies are not kept', () => {
  assert.deepEqual(
    redactResponse({
      'set-cookie': ['session=secret; Path=/', 'b=secret'],
      'content-type': 'text/html',
      via: ['1.1 a', '1.1 b'],
      gone: undefined,
    }),
    { 'set-cookie': '[redacted]', 'content-type': 'text/html', via: ['1.1 a', '1.1 b'] },
  )
})

test('a header named after a part of every object is a header like others', () => {
  const fields = redactResponse(JSON.parse('{"__proto__": "x", "constructor": "y"}'))
  assert.equal(JSON.stringify(fields), '{"__proto__":"x","constructor":"y"}')
})

test('the size counts what a receiver decides: headers and body', () => {
  const details: ExchangeDetails = {
    request: { method: 'POST', url: 'http://127.0.0.1/', headers: {} },
    response: {
      headers: { a: 'x'.repeat(1000), b: ['y'.repeat(500)] },
      body_bytes: 9000,
      body_truncated: true,
    },
    responseBody: Buffer.alloc(4000),
    timings: { reused: true, repeated: false, dns: null, connect: null, tls: null, first_byte: 1, total: 1 },
    remoteAddress: null,
  }
  assert.equal(sizeOf(details), 512 + 1001 + 501 + 4000)
  assert.equal(sizeOf({ ...details, response: null }), 512 + 4000)
})
