import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { minuteMs, minuteOf } from '../../src/stats/steps.ts'
import { fakeClock } from '../support/clock.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, eventually, processWorld, settledAudit } from '../support/service.ts'
import { assertEqualsLog, rollUpsAt } from '../support/stats.ts'

test('kill -9 of a process that delivers and rolls up, again and again: the roll-ups are what the log says', async () => {
  await using receiver = await startReceiver((_request, index) => ({ status: index % 7 === 0 ? 500 : 204 }))
  await using world = await processWorld()
  const { database } = world.world
  // A log of the past that takes the process a while; of others than the subscription that is made below.
  await database.query({
    text: `
      insert into delivery_logs (id, webhook_id, subscription_id, attempt, status, verdict, duration_ms)
      select (lpad(to_hex($1::bigint + n * 150), 12, '0') || '7000' || lpad(to_hex(n), 16, '8000'))::uuid,
        gen_random_uuid(), 2 + n % 50, 1, 'success', 'delivered', n % 1000
      from generate_series(0, 19999) n`,
    values: [Date.now() - 55 * minuteMs],
  })
  const rolledUp = async () => {
    const { rows } = await database.query<{ count: number }>({
      text: 'select count(*)::int as count from stats_periods where step = 1',
    })
    return rows[0]?.count ?? 0
  }
  let id = 0
  for (const minutes of [2, 20]) {
    const service = await world.start()
    const api = client(service.url)
    if (id === 0) {
      const retry = { schedule_seconds: [1], max_attempts: 5 }
      id = (await api.subscribe({ target_url: receiver.origin, retry })).id
    }
    const sending = api.ingestMany(id, 1000).catch(() => {}) // cut off by the kill
    await eventually(rolledUp, count => count >= minutes)
    await eventually(() => receiver.received.length > 20)
    service.child.kill('SIGKILL')
    await once(service.child, 'exit')
    await sending
  }
  const service = await world.start()
  assert.equal((await settledAudit(world.world)).missing, 0)
  // As it will be when the present minute is over.
  const clock = fakeClock(Date.now() + 2 * minuteMs)
  const rollUps = rollUpsAt(database, clock)
  await eventually(
    () => rollUps.run(),
    report => report !== undefined,
  )
  await assertEqualsLog(database, minuteOf(clock.now()))
  const answer = await fetch(`${service.url}/subscriptions/${id}/stats?window=1h`)
  assert.equal(answer.status, 200)
  assert.ok(Object(await answer.json()).totals.success > 20)
  assert.equal(await service.end('SIGTERM'), 0)
})
