import { ensurePartitions } from '../src/log/partitions.ts'
import type { ErrorClass } from '../src/model/outcome.ts'
import { type Receiver, startReceiver } from '../test/support/receiver.ts'
import { client, processWorld } from '../test/support/service.ts'
import { logAttempts } from '../test/support/stats.ts'

// A real service with a made-up day behind it, for pictures. Nothing in it depends on the machine but the times.

const attemptsBefore = 6000

export interface Day {
  readonly url: string
  /** Ids of things that are worth a picture. */
  readonly ids: {
    readonly event: string
    readonly attempt: string
    /** The subscription whose receiver refuses now and then. */
    readonly search: number
    readonly ledger: number
  }
}

/** Starts it; it ends with `opened`. */
export async function madeUpDay(opened: AsyncDisposableStack): Promise<Day> {
  const receivers = await startReceivers(opened)
  const world = opened.use(await processWorld({ AUTH: 'none' }))
  const first = await world.start()
  const made = await subscribe(first.url, receivers)
  await first.end('SIGTERM')
  const { database } = world.world
  const now = Date.now()
  // Attempts of the day before have no partitions, as nobody was there to make them.
  for (let hours = 24; hours > 0; hours--) await ensurePartitions(database, now - hours * hourMs, 72)
  await logAttempts(database, attemptsOf(made, now))
  await database.query({
    text: `update delivery_logs set http_status = 503, error = null where error_class = 'http'`,
  })
  // What the first start has rolled up was nothing yet.
  await database.query({ text: 'truncate stats_periods' })
  const { url } = await world.start()
  const ids = { search: 3, ledger: 4, ...(await aFewEvents(url, 3)) }
  await counted(url)
  return { url, ids }
}

const hourMs = 3_600_000

async function startReceivers(opened: AsyncDisposableStack) {
  return {
    shop: opened.use(await startReceiver()),
    billing: opened.use(await startReceiver({ delayMs: 40 })),
    ledger: opened.use(
      await startReceiver({
        status: 503,
        headers: { 'retry-after': '3600' },
        body: '{"error":"maintenance until 14:00"}',
      }),
    ),
    search: opened.use(
      await startReceiver((_, index) =>
        index % 4 === 3 ? { status: 422, body: '{"error":"unknown field total"}' } : {},
      ),
    ),
  }
}

async function subscribe(url: string, receivers: Awaited<ReturnType<typeof startReceivers>>) {
  const one = (name: string, to: Receiver, more: object = {}) =>
    client(url).subscribe({
      ...{ description: name, target_url: `${to.origin}/webhooks`, retry: { max_attempts: 1 } },
      ...more,
    })
  return [
    await one('Shop: orders', receivers.shop, { event_types: ['order.*'] }),
    await one('Billing', receivers.billing, { event_types: ['invoice.*', 'order.paid'] }),
    await one('Search index', receivers.search),
    await one('Ledger', receivers.ledger, { event_types: ['invoice.*'], retry: { max_attempts: 5 } }),
    await one('Warehouse of Acme, pilot', receivers.shop, { event_types: ['order.shipped'], paused: true }),
  ]
}

/** Of the last day, with an outage of an hour and a half in it. */
function attemptsOf(made: readonly { readonly id: number }[], now: number) {
  const random = numbers(7)
  const attempts = Array.from({ length: attemptsBefore }, () => {
    const at = now - Math.floor((1 - random() ** 0.8) * 23.5 * hourMs) - 120_000
    const whose = made[Math.floor(random() ** 1.4 * 4)]?.id ?? 1
    const isOutage = now - at > 5 * hourMs && now - at < 6.5 * hourMs
    const errorClass = failureOf(random(), isOutage && whose !== made[0]?.id)
    const durationMs =
      errorClass === 'timeout'
        ? 15_000
        : Math.floor(12 + 80 * random() ** 6 + (isOutage ? 700 : 20) * random())
    return {
      ...{ at, subscriptionId: whose, durationMs },
      ...(errorClass && { errorClass, givenUp: random() < 0.2 }),
    }
  })
  return attempts.sort((a, b) => a.at - b.at)
}

function failureOf(dice: number, isOutage: boolean): ErrorClass | undefined {
  if (isOutage) return dice < 0.5 ? 'timeout' : dice < 0.7 ? 'http' : undefined
  return dice < 0.012 ? 'http' : dice < 0.016 ? 'connect' : undefined
}

async function aFewEvents(url: string, search: number) {
  const types = [
    ...['order.created', 'order.paid', 'order.shipped'],
    ...['invoice.made', 'invoice.paid', 'customer.updated'],
  ]
  const found = { event: '', attempt: '' }
  for (let index = 0; index < 60; index++) {
    const type = types[index % types.length] ?? ''
    const payload = {
      ...{ id: `ord_${4200 + index}`, total: 1990 + index * 7, currency: 'EUR' },
      customer: { name: 'Zoë Quill', email: 'zoe@example.com', tags: ['new', 'newsletter'] },
    }
    const answer = await client(url).post(`/events?event_type=${type}`, JSON.stringify(payload), {
      'content-type': 'application/json',
    })
    const { webhook_id: id } = (await answer.json()) as { webhook_id: string } // as openapi.json has it
    if (type === 'invoice.paid') found.event = id
  }
  for (let tries = 0; tries < 100 && found.attempt === ''; tries++) {
    await new Promise(resolve => setTimeout(resolve, 200))
    const logs = (await (await fetch(`${url}/logs/${search}?status=failed`)).json()) as {
      id: string
      http_status: number | null
    }[]
    found.attempt = logs.find(row => row.http_status === 422)?.id ?? ''
  }
  return found
}

/** Waits until the day before is rolled up. */
async function counted(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const { totals } = (await (await fetch(`${url}/stats?window=24h`)).json()) as {
      totals: { success: number; failed: number }
    }
    if (totals.success + totals.failed >= attemptsBefore) return
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

/** The same numbers at each run, from 0 to 1 (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
