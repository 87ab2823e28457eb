// How much the list of deliveries reads, beside many of them: `npm run bench:delivery-plans`. README.md says what is measured.
import { parseArgs } from 'node:util'
import { Reach } from '../src/model/caller.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database } from '../src/platform/postgres.ts'
import { type DeliveryKey, type DeliveryQuery, listDeliveries } from '../src/replay/deliveries.ts'
import { Children } from './children.ts'
import { explaining } from './explaining.ts'
import { fillWithEvents } from './search-fill.ts'

const { values } = parseArgs({
  options: { events: { type: 'string', default: '20000000' }, hours: { type: 'string', default: '66' } },
})
const [events, hours] = [Number(values.events), Number(values.hours)]

const owedOrDead = ['pending', 'failed'] as const
const ago = (hour: number) => Date.now() - hour * 3_600_000

/** What is owed is owed to 50 of 1,000 subscriptions, and 50 others have dead letters; 1,002 has nothing. */
const lists: readonly { readonly name: string; readonly of: string | null; readonly query: DeliveryQuery }[] =
  [
    { name: 'owed or dead, nothing more asked', of: null, query: { states: owedOrDead } },
    { name: 'pending', of: null, query: { states: ['pending'] } },
    { name: 'dead', of: null, query: { states: ['failed'] } },
    { name: 'success', of: null, query: { states: ['success'] } },
    {
      name: 'pending, of one subscription in 50',
      of: null,
      query: { states: ['pending'], subscriptionId: 2 },
    },
    {
      name: 'dead, of one subscription in 50',
      of: null,
      query: { states: ['failed'], subscriptionId: 1 },
    },
    {
      name: 'pending, of a subscription without any',
      of: null,
      query: { states: ['pending'], subscriptionId: 1002 },
    },
    {
      name: 'dead, of a subscription without any',
      of: null,
      query: { states: ['failed'], subscriptionId: 1002 },
    },
    {
      name: 'success, of one subscription in 1,000',
      of: null,
      query: { states: ['success'], subscriptionId: 3 },
    },
    { name: 'cancelled (there are none)', of: null, query: { states: ['cancelled'] } },
    { name: 'owed or dead, of a tenant without any', of: 'nobody', query: { states: owedOrDead } },
    { name: 'owed or dead, of a tenant with one subscription', of: 'small', query: { states: owedOrDead } },
    { name: 'dead, of a frequent class', of: null, query: { states: ['failed'], errorClass: 'http' } },
    { name: 'dead, of a rare class', of: null, query: { states: ['failed'], errorClass: 'tls' } },
    {
      name: 'dead, of a class that there is not',
      of: null,
      query: { states: ['failed'], errorClass: 'dns' },
    },
    {
      name: 'pending, of a class that there is not',
      of: null,
      query: { states: ['pending'], errorClass: 'dns' },
    },
    {
      name: 'owed or dead, of an hour two days ago',
      of: null,
      query: { states: owedOrDead, since: ago(49), until: ago(48) },
    },
  ]

const children = new Children()
const server = await startEmbeddedPostgres({ dataDir: await children.path('delivery-plans'), log: () => {} })
const database = new Database({
  connection: server.connection,
  poolSize: 2,
  queryTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
})
try {
  await migrate(database)
  await database.query({ text: "insert into tenants (id, name) values ('small', ''), ('nobody', '')" })
  await database.query({
    text: `insert into subscriptions (id, target_url, signing_secrets, tenant)
           select n, 'http://127.0.0.1:9/', '[]', case when n = 22 then 'small' else 'default' end from generate_series(1, 1002) n`,
  })
  await fillWithEvents(database, { events, hours, oneOwedIn: 20, oneDeadIn: 20 })
  await database.query({ text: 'vacuum analyze owed' })
  console.log(
    `Beside ${events.toLocaleString('en')} events in ${hours} partitions, of which one in 20 is owed and one in 20 is dead:\n`,
  )
  console.log(
    '| list, 50 deliveries to a page | statements | pages of 8 KiB | ms | found | more | requests to the end or 50 |',
  )
  console.log('|---|---|---|---|---|---|---|')
  for (const { name, of, query } of lists) {
    const reach = of === null ? Reach.all : Reach.of(of)
    await listDeliveries(database, reach, query, 50) // what it reads is in the cache then
    const beganAt = performance.now()
    const { rows, next } = await listDeliveries(database, reach, query, 50)
    const ms = performance.now() - beganAt
    const { watched, seen } = explaining(database)
    await listDeliveries(watched, reach, query, 50)
    const cells = [
      name,
      seen.statements,
      seen.pages.toLocaleString('en'),
      ms.toFixed(0),
      rows.length,
      next === undefined ? 'no' : 'yes',
      await requests(reach, query, rows.length, next),
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
} finally {
  await database.close()
  await server.stop()
  children.killAll()
}

/** How many requests it takes until 50 were found, or there are no more; at most 30 are made. */
async function requests(
  reach: Reach,
  query: DeliveryQuery,
  found: number,
  from: DeliveryKey | undefined,
): Promise<string> {
  let [count, next, sum] = [1, from, found]
  while (next !== undefined && sum < 50 && count < 30) {
    const page = await listDeliveries(database, reach, query, 50, next)
    ;[count, next, sum] = [count + 1, page.next, sum + page.rows.length]
  }
  return next !== undefined && sum < 50 ? `more than ${count}` : String(count)
}
