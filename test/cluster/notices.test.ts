import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, testService } from '../support/service.ts'

test('a subscription that was resumed while nothing could be heard is delivered to', async () => {
  let limited = true
  await using receiver = await startReceiver(() =>
    limited ? { status: 429, headers: { 'retry-after': '3600' } } : { status: 200 },
  )
  await using service = await testService()
  const { database } = service.world
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin })
  await api.ingest(id)
  const open = async () => {
    const { rows } = await database.query({ text: 'select 1 from lanes where open_until is null' })
    return rows.length
  }
  await eventually(open, rows => rows === 0)
  const second = await api.ingest(id)
  limited = false
  const { rowCount } = await database.query({
    text: `select pg_terminate_backend(pid, 2000) from pg_stat_activity
           where datname = current_database() and application_name like '% control'`,
  })
  assert.equal(rowCount, 1)
  assert.equal((await api.post(`/subscriptions/${id}/resume`, '')).status, 200)
  await eventually(
    () => api.status(second),
    ({ status }) => status === 'success',
  )
})
