import assert from 'node:assert/strict'
import { after, beforeEach, test } from 'node:test'
import { localOperator, Reach } from '../../src/model/caller.ts'
import type { Uuid } from '../../src/platform/id.ts'
import type { Database, Queryable, Statement } from '../../src/platform/postgres.ts'
import type { DeliveryKey } from '../../src/replay/candidates-store.ts'
import { type DeliveryQuery, listDeliveries } from '../../src/replay/deliveries.ts'
import { discardCursor, discardDeliveries, parseDiscardCursor } from '../../src/replay/discard.ts'
import { testDatabase } from '../support/database.ts'
import { ended, owedRuns, settle, subscribe } from '../support/replay.ts'
import { emptyAll, idAt, owe } from '../support/rows.ts'

const { database, close } = await testDatabase()
after(close)
beforeEach(() => emptyAll(database))

const owedOrDead: DeliveryQuery = { states: ['pending', 'failed'] }

const owedAgain = (webhookId: Uuid) =>
  database.query({
    text: 'insert into owed (webhook_id, subscription_id, size_bytes, due_at, attempt) values ($1, 1, 7, now(), 2)',
    values: [webhookId],
  })

async function statesOf(query: DeliveryQuery, reach = Reach.all): Promise<string[]> {
  const { rows } = await listDeliveries(database, reach, query, 100)
  return rows.map(row => `${row.state} ${row.subscription_id}`)
}

test('what is owed and what is dead are one list, the newest events first', async () => {
  await subscribe(database, [1, 2])
  await ended(database, { 1: 'given_up', 2: 'delivered' })
  await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1] })
  await ended(database, { 2: 'expired' })
  assert.deepEqual(await statesOf(owedOrDead), ['failed 2', 'failed 1', 'pending 1'])
  assert.deepEqual(await statesOf({ states: ['success'] }), ['success 2'])
  assert.deepEqual(await statesOf({ ...owedOrDead, subscriptionId: 2 }), ['failed 2'])
  assert.deepEqual(await statesOf({ ...owedOrDead, errorClass: 'http' }), ['failed 2', 'failed 1'])
  assert.deepEqual(await statesOf({ ...owedOrDead, errorClass: 'timeout' }), [])
})

test('what became too old counts the attempts that were made, and none that was not', async () => {
  await subscribe(database, [1, 2])
  const webhookId = await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1, 2] })
  await settle(database, webhookId, 1, 1, 'retry')
  const { rows: tried } = await database.query<{ at: Date }>({
    text: 'select "timestamp" as at from delivery_logs',
  })
  for (const [subscriptionId, attempt] of [
    [1, 2],
    [2, 1],
  ] as const) {
    await database.query({
      text: `insert into delivery_logs (id, subscription_id, webhook_id, "timestamp", attempt, status, verdict, error)
             values ($1, $2, $3, now() + interval '1 min', $4, 'failed', 'expired', 'too old')`,
      values: [idAt(Date.now() + 1000 + attempt), subscriptionId, webhookId, attempt],
    })
  }
  await database.query({ text: 'delete from owed' })
  const { rows } = await listDeliveries(database, Reach.all, owedOrDead, 10)
  assert.deepEqual(
    rows.map(row => [row.subscription_id, row.attempt, row.last_attempt_at]),
    [
      [2, 0, null],
      [1, 1, tried[0]?.at],
    ],
  )
})

test('a dead letter that is owed again is pending, and one that was delivered later is dead no more', async () => {
  await subscribe(database, [1])
  const webhookId = await ended(database, { 1: 'given_up' })
  await owedAgain(webhookId)
  assert.deepEqual(await statesOf(owedOrDead), ['pending 1'])
  await settle(database, webhookId, 1, 2, 'delivered')
  assert.deepEqual(await statesOf(owedOrDead), [])
})

test('a tenant sees its own, also those of a subscription that was deleted', async () => {
  await database.query({
    text: `insert into tenants (id, name) values ('acme', 'Acme') on conflict do nothing`,
  })
  await subscribe(database, [1])
  await subscribe(database, [5], { tenant: 'acme' })
  await ended(database, { 1: 'given_up' })
  await ended(database, { 5: 'given_up' }, { tenant: 'acme' })
  await database.query({ text: 'delete from subscriptions where id = 5' })
  assert.deepEqual(await statesOf(owedOrDead, Reach.of('acme')), ['failed 5'])
  assert.deepEqual(await statesOf(owedOrDead, Reach.of('default')), ['failed 1'])
})

test('pages follow each other without gaps or repeats, whatever they are filtered by', async () => {
  await subscribe(database, [1, 2, 3])
  const expected: string[] = []
  for (let n = 0; n < 30; n++) {
    const webhookId = await ended(database, { 1: 'given_up', 2: 'delivered', 3: 'expired' })
    expected.push(`${webhookId} 1`, `${webhookId} 3`)
  }
  const seen: string[] = []
  let after: DeliveryKey | undefined
  do {
    const page = await listDeliveries(database, Reach.all, owedOrDead, 7, after)
    seen.push(...page.rows.map(row => `${row.webhook_id} ${row.subscription_id}`))
    after = page.next
  } while (after !== undefined)
  assert.deepEqual(seen.toSorted(), expected.toSorted())
  assert.equal(new Set(seen).size, seen.length)
})

test('what is discarded ends as cancelled in the log, and nothing of it is owed', async () => {
  await subscribe(database, [1, 2])
  await ended(database, { 1: 'given_up', 2: 'given_up' })
  await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1] })
  const query: DeliveryQuery = { ...owedOrDead, subscriptionId: 1 }
  const dry = await discardDeliveries(database, localOperator, query, true, () => true)
  assert.deepEqual(dry, { count: 2, next: undefined })
  assert.equal((await owedRuns(database)).length, 1, 'a dry run changes nothing')
  const done = await discardDeliveries(database, localOperator, query, false, () => true)
  assert.deepEqual(done, { count: 2, next: undefined })
  assert.deepEqual(await owedRuns(database), [])
  assert.deepEqual(await statesOf(owedOrDead), ['failed 2'])
  assert.deepEqual(await statesOf({ states: ['cancelled'] }), ['cancelled 1', 'cancelled 1'])
})

test('what has been delivered, or was sent again, since it was listed is not discarded', async () => {
  await subscribe(database, [1])
  const delivered = await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1] })
  const again = await ended(database, { 1: 'given_up' })
  let transactions = 0
  const interfering = {
    query: (statement: Statement) => database.query(statement),
    async transaction(work: (tx: Queryable) => Promise<unknown>) {
      if (++transactions % 2 === 1) return database.transaction(work) // these look
      if (transactions > 2) return database.transaction(work)
      await settle(database, delivered, 1, 1, 'delivered')
      await owedAgain(again)
      return database.transaction(work)
    },
  } as unknown as Database // what discarding uses of it
  const done = await discardDeliveries(interfering, localOperator, owedOrDead, false, () => true)
  assert.deepEqual(done, { count: 0, next: undefined })
  assert.equal(transactions, 4)
  assert.deepEqual(await statesOf({ states: ['success', 'pending'] }), ['pending 1', 'success 1'])
})

test('what ends without an attempt says why its attempt would have been made', async () => {
  await subscribe(database, [1])
  const webhookId = await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1] })
  await database.query({ text: `update owed set trigger = 'replay'` })
  await discardDeliveries(database, localOperator, owedOrDead, false, () => true)
  const { rows } = await database.query({
    text: 'select webhook_id, verdict::text, trigger::text, error from delivery_logs',
  })
  assert.deepEqual(rows, [
    { webhook_id: webhookId, verdict: 'cancelled', trigger: 'replay', error: 'discarded' },
  ])
})

test('a discard that is not done goes on where it was', async () => {
  await subscribe(database, [1, 2])
  await owe(database, { webhookId: idAt(Date.now() - 60_000), subscriptionIds: [1, 2] })
  await ended(database, { 1: 'given_up', 2: 'expired' })
  let after: ReturnType<typeof parseDiscardCursor>
  let count = 0
  for (let requests = 0; requests < 10; requests++) {
    const part = await discardDeliveries(database, localOperator, owedOrDead, false, () => false, after)
    count += part.count
    if (part.next === undefined) break
    after = parseDiscardCursor(discardCursor(part.next))
    assert.deepEqual(after, part.next)
  }
  assert.equal(count, 4)
  assert.deepEqual(await statesOf(owedOrDead), [])
  assert.equal(parseDiscardCursor('lost/x'), undefined)
})

test('of dead letters those of one class are discarded, and no others', async () => {
  await subscribe(database, [1, 2])
  await ended(database, { 1: 'given_up', 2: 'given_up' })
  await database.query({ text: `update delivery_logs set error_class = 'tls' where subscription_id = 2` })
  const query: DeliveryQuery = { ...owedOrDead, errorClass: 'tls' }
  for (const isDryRun of [true, false]) {
    const done = await discardDeliveries(database, localOperator, query, isDryRun, () => true)
    assert.deepEqual(done, { count: 1, next: undefined })
  }
  assert.deepEqual(await statesOf(owedOrDead), ['failed 1'])
})
