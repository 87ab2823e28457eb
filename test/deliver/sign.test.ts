import assert from 'node:assert/strict'
import { createSecretKey } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { signatureHeader, signV1 } from '../../src/deliver/sign.ts'
import { noon } from '../support/clock.ts'
import vectors from '../support/vectors.json' with { type: 'json' }

const { standardWebhooks_v1: vector, standardWebhooks_wrong: wrong } = vectors
const vectorBytes = Buffer.from(vector.secret.replace('whsec_', ''), 'base64')
const vectorKey = createSecretKey(vectorBytes)
const oldBytes = Buffer.alloc(32, 7)
const oldKey = createSecretKey(oldBytes)
const body = Buffer.from('{"data":{"foo":"bar"}}')
const id = '01890000-0000-7000-8000-000000000001'

test('signs as the vector of Standard Webhooks says', () => {
  assert.equal(vectorBytes.length, vector.keyBytes)
  const signature = signV1(vectorKey, vector.id, vector.timestamp, Buffer.from(vector.body))
  assert.equal(signature, vector.signature)
  assert.ok(!wrong.entries.includes(signature))
})

test("is verified by the reference library, with the key as 'whsec_' secret", () => {
  const seconds = Math.floor(Date.now() / 1000)
  const header = signatureHeader([{ key: vectorKey, expiresAt: null }], id, seconds, body, noon)
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': header }
  assert.deepEqual(new Webhook(vector.secret).verify(body, headers), { data: { foo: 'bar' } })
  assert.throws(() => new Webhook(vector.secret).verify(Buffer.from('{"data":{}}'), headers))
  assert.throws(() => new Webhook(vector.secret).verify(body, { ...headers, 'webhook-id': 'another' }))
})

test('during a rotation all live keys sign, newest first, and a receiver with either verifies', () => {
  const seconds = Math.floor(Date.now() / 1000)
  const now = seconds * 1000
  const keys = [
    { key: vectorKey, expiresAt: null },
    { key: oldKey, expiresAt: now + 1 },
  ]
  const header = signatureHeader(keys, id, seconds, body, now)
  const each = [signV1(vectorKey, id, seconds, body), signV1(oldKey, id, seconds, body)]
  assert.equal(header, each.join(' '))
  const headers = { 'webhook-id': id, 'webhook-timestamp': String(seconds), 'webhook-signature': header }
  for (const bytes of [vectorBytes, oldBytes]) new Webhook(bytes.toString('base64')).verify(body, headers)
})

test('a key signs until the moment it expires, and not at that moment', () => {
  const keys = [
    { key: vectorKey, expiresAt: null },
    { key: oldKey, expiresAt: noon },
  ]
  const entries = (now: number) => signatureHeader(keys, id, 1, body, now).split(' ').length
  assert.equal(entries(noon - 1), 2)
  assert.equal(entries(noon), 1)
  assert.equal(entries(noon + 1), 1)
})

test('any bytes are signed as they are, also those that are no text', () => {
  const webhook = new Webhook(vectorBytes.toString('base64'))
  const date = new Date(noon)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      const signature = signV1(vectorKey, id, noon / 1000, Buffer.from(text))
      assert.equal(signature, webhook.sign(id, date, text))
    }),
  )
  const low = signV1(vectorKey, id, 1, Buffer.from([0x80]))
  assert.notEqual(low, signV1(vectorKey, id, 1, Buffer.from([0x81])))
})
