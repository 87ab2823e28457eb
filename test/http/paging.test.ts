import assert from 'node:assert/strict'
import { test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import type { SubscriptionAnswer } from '../../src/subscriptions/schema.ts'
import { testServer } from '../support/server.ts'

test('pages lead through all subscriptions, newest first, each once', async () => {
  await using server = await testServer()
  for (let n = 0; n < 7; n++)
    await server.subscriptions.create(localOperator, { target_url: `https://example.com/${n}` })
  const seen: number[] = []
  let path: string | undefined = '/subscriptions/?limit=3'
  for (let pages = 0; path !== undefined && pages < 5; pages++) {
    const answer = await server.request(path)
    assert.equal(answer.status, 200)
    const page = answer.json as readonly SubscriptionAnswer[]
    seen.push(...page.map(subscription => subscription.id))
    const link = answer.headers.get('link')
    path = /^<(.+)>; rel="next"$/.exec(link ?? '')?.[1]
    assert.equal(path === undefined, answer.headers.get('x-next-cursor') === null)
    // Made meanwhile: on no later page, and it moves none.
    if (pages === 0)
      await server.subscriptions.create(localOperator, { target_url: 'https://example.com/new' })
  }
  assert.deepEqual(seen, [7, 6, 5, 4, 3, 2, 1])
})

test('a cursor of another list, or of nobody, answers 400', async () => {
  await using server = await testServer()
  for (const cursor of [
    'x',
    Buffer.from('logs:1').toString('base64url'),
    Buffer.from('subscriptions:x').toString('base64url'),
  ]) {
    const answer = await server.request(`/subscriptions/?cursor=${cursor}`)
    assert.equal(answer.status, 400)
    assert.match(answer.text, /invalid_cursor/)
  }
})

test('a limit is a whole number from 1 to 250', async () => {
  await using server = await testServer()
  for (const limit of ['0', '251', '-1', '1.5', 'x', '']) {
    assert.equal((await server.request(`/subscriptions/?limit=${limit}`)).status, 422, limit)
  }
  assert.equal((await server.request('/subscriptions/?limit=250')).status, 200)
  assert.equal((await server.request('/subscriptions/?page=2')).status, 422)
})
