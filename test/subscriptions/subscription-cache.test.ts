import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubscriptionCache } from '../../src/subscriptions/subscription-cache.ts'
import { aSubscription } from '../support/subscription.ts'

/** A cache whose texts are target paths, and what it has made ready. */
function aCache() {
  const opened: number[] = []
  const cache = new SubscriptionCache((id, packed) => {
    opened.push(id)
    const path = packed.split(' ').slice(2).join(' ')
    return path === 'sealed with a lost key' ? undefined : aSubscription({ id, path })
  })
  const take = (id: number, path = '/', version = 1, stateSince = 0) =>
    cache.take({ id, packed: `${version} ${stateSince} ${path}` })
  return { cache, opened, take }
}

test('a subscription is made ready at its first use, and once', () => {
  const { cache, opened, take } = aCache()
  for (const id of [1, 2, 3]) take(id, `/${id} and more`)
  assert.deepEqual(opened, [])
  for (let n = 0; n < 3; n++) assert.equal(cache.get(2)?.path, '/2 and more')
  assert.deepEqual(opened, [2])
  assert.equal(cache.size, 3)
})

test('of very many those that were used last stay ready', () => {
  const { cache, opened, take } = aCache()
  for (let id = 1; id <= 50_000; id++) take(id)
  for (let id = 1; id <= 50_000; id++) {
    cache.get(id)
    cache.get(1) // used all the time
  }
  assert.equal(opened.filter(id => id === 1).length, 1)
  cache.get(49_999)
  assert.equal(opened.length, 50_000)
  cache.get(2)
  assert.equal(opened.length, 50_001)
})

test('a newer version takes the place of an older one, and an older one of none', () => {
  const { cache, take } = aCache()
  take(1, '/old', 9)
  assert.equal(cache.get(1)?.path, '/old')
  take(1, '/new', 10)
  assert.equal(cache.get(1)?.path, '/new')
  take(1, '/old', 9)
  assert.equal(cache.get(1)?.path, '/new')
})

test('with one version the younger state takes the place of the older one', () => {
  const { cache, take } = aCache()
  take(1, '/active', 1, 1000)
  take(1, '/failing', 1, 2000)
  take(1, '/active', 1, 1000)
  assert.equal(cache.get(1)?.path, '/failing')
})

test('one that cannot be opened is tried once', () => {
  const { cache, opened, take } = aCache()
  take(1, 'sealed with a lost key')
  for (let n = 0; n < 3; n++) assert.equal(cache.get(1), undefined)
  assert.deepEqual(opened, [1])
})

test('a row that was read before its deletion is not taken after it', async () => {
  const { cache, take } = aCache()
  take(1)
  await cache.reading(async () => {
    cache.drop(1)
    take(1)
  })
  assert.equal(cache.get(1), undefined)
  assert.equal(cache.size, 0)
})
