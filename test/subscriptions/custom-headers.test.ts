import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerFaults, isReserved, mergeHeaders } from '../../src/subscriptions/custom-headers.ts'
import type { SigningFields } from '../../src/subscriptions/signing.ts'
import { usedHeaders } from '../../src/subscriptions/used-headers.ts'

const usedBy = (signing: SigningFields) =>
  usedHeaders({ signing, format: 'raw', cloudevents: null, auth: null })
const usual = usedBy({})
const faulty = (headers: Record<string, string>, names = usual) =>
  headerFaults(headers, names).map(({ pointer }) => pointer)

test('takes tokens with visible ASCII', () => {
  const headers = {
    Authorization: 'Bearer a b',
    'X-Api-Key': '!~',
    "!#$%&'*+-.^_`|~09": 'x',
    Cookie: 'a=b',
    Accept: 'x/y',
  }
  assert.deepEqual(faulty(headers), [])
})

test('refuses what the service or HTTP sets, whatever the case', () => {
  const reserved = [
    'host',
    'content-length',
    'content-type',
    'content-encoding',
    'transfer-encoding',
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'trailers',
    'upgrade',
    'expect',
    'proxy-authorization',
    'proxy-',
    'webhook-id',
    'webhook-anything',
    'user-agent',
    'x-hub-signature-256',
    'x-event-type',
    'accept-encoding',
  ]
  for (const name of reserved) {
    for (const written of [name, name.toUpperCase()]) {
      assert.deepEqual(faulty({ [written]: 'x' }), [`/headers/${written}`], written)
      assert.ok(isReserved(written, usual))
    }
  }
})

test('refuses the names that the signature has been given', () => {
  const names = usedBy({ headers: { id: 'X-Own-Id', attempt: 'X-Try' } })
  assert.deepEqual(faulty({ 'x-own-id': 'x', 'x-try': 'x', other: 'x' }, names), [
    '/headers/x-own-id',
    '/headers/x-try',
  ])
})

test('refuses what is no name, no value, or there twice', () => {
  const wrong = {
    'a b': 'x',
    '': 'x',
    'a/b': 'x',
    ä: 'x',
    'a:': 'x',
    ok: '',
    ok2: ' x',
    ok3: 'a\r\nHost: b',
    ok4: 'é',
  }
  assert.equal(faulty(wrong).length, Object.keys(wrong).length)
  assert.ok(faulty(wrong).includes('/headers/a~1b'))
  assert.deepEqual(faulty({ 'X-A': '1', 'x-a': '2' }), ['/headers/x-a'])
  assert.deepEqual(faulty({ [`x${'y'.repeat(128)}`]: 'x' }).length, 1)
  assert.deepEqual(faulty({ a: 'x'.repeat(4097) }), ['/headers/a'])
  const many = Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`x-${n}`, 'x']))
  assert.deepEqual(faulty(many), ['/headers'])
})

test('a patch keeps, replaces and removes, whatever the case of a name', () => {
  const stored = { 'X-A': 'sealed', 'X-B': 'sealed', 'X-C': 'sealed' }
  assert.deepEqual(mergeHeaders(stored, { 'x-a': 'new', 'x-b': null, 'X-D': 'y' }), {
    'X-C': '********',
    'x-a': 'new',
    'X-D': 'y',
  })
  assert.deepEqual(mergeHeaders(stored, null), {})
  assert.deepEqual(Object.keys(mergeHeaders(stored, undefined)), ['X-A', 'X-B', 'X-C'])
})
