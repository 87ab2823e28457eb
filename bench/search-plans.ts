// How much the search of events reads, beside many events: `npm run bench:search-plans`. README.md says what is measured.
import { parseArgs } from 'node:util'
import { EventSearch } from '../src/events/search.ts'
import { Reach } from '../src/model/caller.ts'
import { startEmbeddedPostgres } from '../src/platform/embedded-postgres/embedded-postgres.ts'
import { migrate } from '../src/platform/migrate.ts'
import { Database } from '../src/platform/postgres.ts'
import { Children } from './children.ts'
import { explaining } from './explaining.ts'
import { fillWithEvents } from './search-fill.ts'

const { values } = parseArgs({
  options: { events: { type: 'string', default: '20000000' }, hours: { type: 'string', default: '66' } },
})
const [events, hours] = [Number(values.events), Number(values.hours)]

const searches: readonly {
  readonly name: string
  readonly of: string | null
  readonly query: Parameters<EventSearch['page']>[1]
}[] = [
  { name: 'an operator, nothing asked', of: null, query: {} },
  { name: 'the default tenant', of: 'default', query: {} },
  { name: 'a large tenant', of: 'large', query: {} },
  { name: 'a small tenant', of: 'small-99', query: {} },
  { name: 'a tenant without events', of: 'nobody', query: {} },
  { name: 'a frequent type', of: null, query: { eventType: 'type-1' } },
  { name: 'a type that does not exist', of: null, query: { eventType: 'none' } },
  { name: 'the same of a large tenant', of: 'large', query: { eventType: 'none' } },
  { name: 'pending', of: null, query: { status: 'pending' } },
  { name: 'failed', of: null, query: { status: 'failed' } },
  { name: 'failed, of a small tenant', of: 'small-99', query: { status: 'failed' } },
  { name: 'success', of: 'large', query: { status: 'success' } },
  { name: 'cancelled (there are none)', of: 'large', query: { status: 'cancelled' } },
  { name: 'unmatched (there are none)', of: 'large', query: { status: 'unmatched' } },
]

const children = new Children()
const server = await startEmbeddedPostgres({ dataDir: await children.path('search-plans'), log: () => {} })
const database = new Database({
  connection: server.connection,
  poolSize: 2,
  queryTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
})
try {
  await migrate(database)
  await fillWithEvents(database, { events, hours, oneOwedIn: 2000, oneDeadIn: 1000 })
  console.log(`Beside ${events.toLocaleString('en')} events in ${hours} partitions:\n`)
  console.log('| search, 50 events to a page | statements | pages of 8 KiB | ms | events found | more |')
  console.log('|---|---|---|---|---|---|')
  for (const { name, of, query } of searches) {
    const reach = of === null ? Reach.all : Reach.of(of)
    await new EventSearch(database).page(reach, query, 50) // what it reads is in the cache then
    const beganAt = performance.now()
    const { events: found, next } = await new EventSearch(database).page(reach, query, 50)
    const ms = performance.now() - beganAt
    const counted = await explained(reach, query)
    const more = next === undefined ? 'no' : 'yes'
    console.log(
      `| ${name} | ${counted.statements} | ${counted.pages.toLocaleString('en')} | ${ms.toFixed(0)} | ${found.length} | ${more} |`,
    )
  }
} finally {
  await database.close()
  await server.stop()
  children.killAll()
}

/** Each statement of a search, explained before it is run. */
async function explained(reach: Reach, query: Parameters<EventSearch['page']>[1]) {
  const { watched, seen } = explaining(database)
  await new EventSearch(watched).page(reach, query, 50)
  return seen
}
