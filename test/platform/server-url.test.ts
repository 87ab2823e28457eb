import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseServerUrl, shownServerUrl, shownText } from '../../src/platform/server-url.ts'

test('an address is taken apart as it was given', () => {
  assert.deepEqual(parseServerUrl('postgresql://us%40er:p%2Fw:x@db_1.example:5432/web?sslmode=require'), {
    scheme: 'postgresql',
    user: 'us%40er',
    password: 'p%2Fw:x',
    host: 'db_1.example',
    port: '5432',
    path: '/web',
    query: 'sslmode=require',
  })
  assert.equal(parseServerUrl('redis://[::1]:6379/0')?.host, '[::1]')
  assert.equal(parseServerUrl('postgresql://u:p@/db?host=/cloudsql/a:b:c')?.query, 'host=/cloudsql/a:b:c')
  assert.equal(parseServerUrl('postgresql://%2Fvar%2Frun%2Fpostgresql/db')?.host, '%2Fvar%2Frun%2Fpostgresql')
})

test('an address whose password is not percent-encoded is not taken apart, and only its scheme is shown', () => {
  for (const password of [
    'hunter/2',
    'hunter@2',
    'hunter#2',
    'hunter?2',
    '12/34',
    '12#3',
    '12?3',
    '50%2',
    '%',
    'a b',
  ]) {
    for (const before of ['postgresql://user', 'redis://', 'https://user', 'postgresql://12']) {
      const text = `${before}:${password}@host:5432/name?a=b`
      assert.equal(parseServerUrl(text), undefined, text)
      assert.equal(shownServerUrl(text), `${before.split('//')[0]}//***`)
      assert.equal(shownText(text), `${before.split('//')[0]}//***`)
    }
  }
  assert.equal(shownServerUrl('hunter2'), '***')
  assert.equal(shownServerUrl('host=db password=hunter2'), '***')
})

test('whatever the password is, no part of it is shown', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), fc.boolean(), (text, encodes) => {
      const password = `§${encodes ? encodeURIComponent(text) : text}§`
      const shown = shownServerUrl(`postgresql://user:${password}@host/name`)
      assert.ok(['postgresql://user:***@host/name', 'postgresql://***'].includes(shown), shown)
      if (encodes) assert.equal(shown, 'postgresql://user:***@host/name')
    }),
    { numRuns: 2000 },
  )
})

test('what may hold a secret is masked: a password, a user without one, the query', () => {
  assert.equal(shownServerUrl('http://token@proxy:3128'), 'http://***@proxy:3128')
  assert.equal(shownServerUrl('rediss://:hunter2@redis:6380/1'), 'rediss://:***@redis:6380/1')
  assert.equal(shownServerUrl('postgresql://db/x?password=hunter2'), 'postgresql://db/x?***')
})
