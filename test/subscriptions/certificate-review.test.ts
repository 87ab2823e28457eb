import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { localOperator } from '../../src/model/caller.ts'
import { silentLogger } from '../../src/platform/logger.ts'
import { Troubles } from '../../src/platform/troubles.ts'
import { reviewCertificates } from '../../src/subscriptions/certificate-review.ts'
import { dayMs, issue } from '../support/certificate.ts'
import { fakeClock } from '../support/clock.ts'
import { testDatabase } from '../support/database.ts'
import { testSubscriptions } from '../support/server.ts'

const world = await testDatabase()
after(() => world.close())
const { database } = world
const target_url = 'https://example.com/hooks'

async function facts(): Promise<readonly { readonly subscription_id: number; readonly data: object }[]> {
  const { rows } = await database.query<{ subscription_id: number; data: { has_expired: boolean } }>({
    text: `select subscription_id, data from system_facts where type = 'subscription.certificate_expiring' order by id`,
  })
  return rows
}

test('a certificate is warned of once before it ends and once after, and no more when it was replaced', async () => {
  const subscriptions = testSubscriptions(world)
  const [short, long] = await Promise.all(
    [20, 400].map(days => issue(undefined, { type: 'dns', name: 'client.test', endsInMs: days * dayMs })),
  )
  assert.ok(short && long)
  const auth = (of: typeof short) => ({ type: 'mtls', certificate: of.cert, key: of.key }) as const
  const { id, version } = await subscriptions.create(localOperator, { target_url, auth: auth(short) })
  await subscriptions.create(localOperator, { target_url, auth: auth(long) })
  await subscriptions.create(localOperator, { target_url })
  const clock = fakeClock(Date.now())
  const troubles = new Troubles({ logger: silentLogger(), now: () => clock.now() })
  const review = reviewCertificates({ database, clock, troubles })
  const present = () => troubles.present.map(({ kind, subject }) => `${kind} ${subject}`)

  await review()
  assert.deepEqual([await facts(), present()], [[], []])
  clock.advance(7 * dayMs)
  await review()
  await review()
  const expires_at = (await subscriptions.read(localOperator.reach, id))?.auth.certificate_expires_at
  const soon = { subscription_id: id, data: { expires_at, has_expired: false } }
  assert.deepEqual([await facts(), present()], [[soon], [`certificate ${id}`]])
  await subscriptions.patch(localOperator, id, { description: 'it stays warned of' }, version)
  await review()
  assert.deepEqual(await facts(), [soon])
  clock.advance(14 * dayMs)
  await review()
  await review()
  assert.deepEqual(await facts(), [soon, { subscription_id: id, data: { expires_at, has_expired: true } }])
  await subscriptions.patch(localOperator, id, { auth: auth(long) })
  await review()
  assert.deepEqual([(await facts()).length, present()], [2, []])
})
