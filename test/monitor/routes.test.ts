import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testServer } from '../support/server.ts'

test('readiness is 503 with its reasons while the service cannot work; liveness does not care', async () => {
  await using server = await testServer({
    readiness: async () => ({ ready: false, checks: { database: 'unavailable' } }),
  })
  for (const path of ['/readyz', '/healthz/']) {
    const answer = await server.request(path)
    assert.equal(answer.status, 503)
    assert.deepEqual(answer.json, { status: 'unavailable', checks: { database: 'unavailable' } })
  }
  const alive = await server.request('/livez')
  assert.deepEqual([alive.status, alive.json], [200, { status: 'ok' }])
})
