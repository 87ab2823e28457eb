import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { hashOfName, hashOfRequest, NameTaken, namesOf } from '../../src/ingest/names.ts'
import { type Accepted, Once } from '../../src/ingest/once.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { newId } from '../support/rows.ts'

/** Of a database in which no name is taken. */
const nothing: Queryable = { query: async () => ({ rows: [], rowCount: 0 }) }

const key = (text: string, body = 'body') =>
  namesOf('default', { idempotencyKey: text, eventId: null }, () => hashOfRequest(['a'], Buffer.from(body)))

const code = (wanted: string) => (error: unknown) => error instanceof AppError && error.code === wanted

function held() {
  const { promise, resolve, reject } = Promise.withResolvers<Accepted>()
  return { accept: () => promise, resolve, reject }
}

test('while a request runs, another one with its key is refused; when it has ended, the next is not, whatever came of it', async () => {
  const once = new Once(nothing)
  const first = held()
  const running = once.accept(key('k'), first.accept)
  for (const body of ['body', 'another']) {
    await assert.rejects(once.accept(key('k', body), assert.fail), code('idempotency_in_progress'))
  }
  const answer = { webhookId: newId(), deliveries: 2 }
  assert.deepEqual(await once.accept(key('other'), async () => answer), { ...answer, isReplayed: false })
  first.reject(new AppError('overloaded', 'Later.'))
  await assert.rejects(running, code('overloaded'))
  assert.deepEqual(await once.accept(key('k'), async () => answer), { ...answer, isReplayed: false })
})

test('the answer of the first request is given again, to the same request alone', async () => {
  const once = new Once(nothing)
  const webhookId = newId()
  const taken = (request: Uuid | null | undefined) => async () => {
    throw new NameTaken({ by: 'idempotency_key', request: request ?? null, webhookId, deliveries: 3 })
  }
  const same = taken(key('k')?.request)
  assert.deepEqual(await once.accept(key('k'), same), { webhookId, deliveries: 3, isReplayed: true })
  await assert.rejects(once.accept(key('k', 'another'), same), code('idempotency_key_reused'))
})

test('names and requests are told apart, however their parts are put together', () => {
  const names = [
    hashOfName('a', 'event_id', 'bc'),
    hashOfName('ab', 'event_id', 'c'),
    hashOfName('a', 'idempotency_key', 'bc'),
    hashOfRequest(['a', 'bc'], Buffer.alloc(0)),
    hashOfRequest(['a', 'b'], Buffer.from('c')),
    hashOfRequest(['a', null], Buffer.from('bc')),
    hashOfRequest(['a', 'null'], Buffer.from('bc')),
    hashOfRequest(['a'], Buffer.from('bc')),
  ]
  assert.equal(new Set(names).size, names.length)
  assert.match(names[0] ?? '', /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
})

test('an event without a name is not hashed', () => {
  assert.equal(namesOf('default', { idempotencyKey: null, eventId: null }, assert.fail), undefined)
  const named = namesOf('default', { idempotencyKey: null, eventId: 'e' }, assert.fail)
  assert.deepEqual([named?.idempotencyKey, named?.request], [null, null])
})
