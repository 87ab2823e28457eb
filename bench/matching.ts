// What finding the subscriptions that want an event costs: `npm run bench:matching`. README.md says more.
import { compileFilter } from '../src/filters/filter.ts'
import { SubscriptionIndex } from '../src/subscriptions/subscription-index.ts'

const collect = globalThis.gc
if (collect === undefined) throw new Error('run it with --expose-gc, as npm run bench:matching does')

const types = Array.from(
  { length: 200 },
  (_, n) => `${['order', 'invoice', 'user', 'item'][n % 4]}.action-${n}`,
)
const typeOf = (n: number) => types[n % types.length] ?? ''

/** Memory in use after a collection, with that of typed arrays, in bytes. */
function memory(): number {
  collect?.()
  collect?.()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** Nanoseconds of CPU time, the best of five rounds: on a busy machine the time on the clock says little. */
function nsEach(calls: number, call: (n: number) => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const before = process.cpuUsage()
    for (let n = 0; n < calls; n++) call(n)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, ((user + system) * 1000) / calls)
  }
  return best
}

const shown = (n: number) => Math.round(n).toLocaleString('en')

/** `count` subscriptions over a number of tenants, none of which wants the events that are asked for. */
function filled(
  count: number,
  tenants: number,
  wantsOf: (n: number) => readonly string[] | null,
): SubscriptionIndex {
  const index = new SubscriptionIndex()
  for (let n = 0; n < count; n++)
    index.set(n + 1, { tenant: `tenant-${n % tenants}`, eventTypes: wantsOf(n), channels: null })
  return index
}

console.log('| subscriptions | tenants | they want | ns, none matches | ns, one matches | bytes each |')
console.log('|---|---|---|---|---|---|')
const kinds: Readonly<Record<string, (n: number) => readonly string[] | null>> = {
  'one type of 200': n => [typeOf(n)],
  'a type of their own': n => [`order.action-${n}`],
  'a pattern of their own': n => [`order.*.action-${n}`],
}
for (const [kind, wantsOf] of Object.entries(kinds)) {
  for (const [count, tenants] of [
    [1, 1],
    [1000, 1],
    [100_000, 1],
    [1_000_000, 1],
    [1_000_000, 100_000],
  ] as const) {
    const before = memory()
    const index = filled(count, tenants, wantsOf)
    const bytes = (memory() - before) / count
    const names = Array.from({ length: Math.min(tenants, 1000) }, (_, n) => `tenant-${(n * 7919) % tenants}`)
    const tenantOf = (n: number) => names[n % names.length] ?? ''
    const calls = 200_000
    const none = nsEach(calls, n => index.matching(tenantOf(n), 'order.eu.shipped', []))
    names.forEach((tenant, n) => {
      index.set(count + 1 + n, { tenant, eventTypes: ['order.eu.shipped'], channels: null })
    })
    const one = nsEach(calls, n => index.matching(tenantOf(n), 'order.eu.shipped', []))
    const each = count >= 1000 ? shown(bytes) : ''
    console.log(
      `| ${shown(count)} | ${shown(tenants)} | ${kind} | ${shown(none)} | ${shown(one)} | ${each} |`,
    )
  }
}

console.log('\n| one tenant with 1,000,000, of which match | microseconds | ns for each that matches |')
console.log('|---|---|---|')
const index = filled(1_000_000, 1, () => ['other'])
let made = 1_000_000
for (const fanOut of [1, 10, 100, 1000, 10_000]) {
  for (let n = 0; n < fanOut; n++)
    index.set(++made, { tenant: 'tenant-0', eventTypes: [`fan.${fanOut}`], channels: null })
  const ns = nsEach(Math.max(1000, 1_000_000 / fanOut), () => index.matching('tenant-0', `fan.${fanOut}`, []))
  console.log(`| ${shown(fanOut)} | ${(ns / 1000).toFixed(1)} | ${shown(ns / fanOut)} |`)
}

const before = memory()
const filters = Array.from({ length: 10_000 }, (_, n) =>
  compileFilter({ payload: { a: n, b: { $gte: n }, c: { $in: ['x', 'y'] }, d: { $exist: true } } }),
)
console.log(`\nA compiled filter of four clauses takes ${shown((memory() - before) / filters.length)} bytes.`)
