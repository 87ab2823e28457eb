// What one filter costs for one event: `npm run bench:filters`. README.md says more.

import { EventFields } from '../src/filters/event-fields.ts'
import { explainFilter } from '../src/filters/explain.ts'
import { compileFilter, type Filter } from '../src/filters/filter.ts'

function compiled(value: unknown): Filter {
  const result = compileFilter(value)
  if (result.kind === 'invalid') throw new Error(JSON.stringify(result.errors))
  return result.filter
}

const payload = {
  id: 'evt_1',
  order: {
    id: 'ord_7Kq2',
    status: 'paid',
    total: 129.5,
    currency: 'EUR',
    customer: { id: 'cus_9', country: 'DE', tags: ['new', 'newsletter', 'vip'] },
    items: Array.from({ length: 10 }, (_, index) => ({ sku: `sku-${index}`, count: index + 1 })),
  },
  note: 'x'.repeat(600),
}
const bytes = Buffer.from(JSON.stringify(payload))

const filters: Readonly<Record<string, unknown>> = {
  'one clause': { payload: { order: { status: 'paid' } } },
  'four clauses': {
    payload: {
      order: {
        status: 'paid',
        total: { $gte: 100 },
        currency: { $in: ['EUR', 'USD'] },
        customer: { country: { $neq: 'US' } },
      },
    },
  },
  'four clauses, two of them on arrays': {
    payload: {
      order: { status: 'paid', customer: { tags: 'vip' }, items: { sku: 'sku-9', count: { $gte: 10 } } },
    },
  },
  'four clauses in $or and $not': {
    payload: {
      order: {
        $or: [{ status: 'open' }, { status: 'paid' }],
        $not: { currency: 'USD' },
        id: { $startsWith: 'ord_' },
      },
    },
  },
  'a hundred clauses': {
    payload: { order: { $or: Array.from({ length: 100 }, (_, index) => ({ total: index })) } },
  },
}

const rounds = 2_000_000
const fields = () => new EventFields({ eventType: 'order.paid', headers: {}, metadata: {}, payload: bytes })

/** The best of five, in nanoseconds for one call. */
function nsEach(calls: number, call: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    const beganAt = process.hrtime.bigint()
    for (let n = 0; n < calls; n++) call()
    best = Math.min(best, Number(process.hrtime.bigint() - beganAt) / calls)
  }
  return best
}

console.log('| filter | matches | ns for one match | ns to explain | ns to compile |')
console.log('|---|---|---|---|---|')
const parsed = fields()
for (const [name, value] of Object.entries(filters)) {
  const filter = compiled(value)
  const calls = name.startsWith('a hundred') ? rounds / 20 : rounds
  const match = nsEach(calls, () => filter.matches(parsed))
  const explain = nsEach(calls / 50, () => explainFilter(filter, parsed))
  const compile = nsEach(calls / 50, () => compileFilter(value))
  const cells = [match, explain, compile].map(ns => Math.round(ns).toLocaleString('en'))
  console.log(`| ${name} | ${filter.matches(parsed) ? 'yes' : 'no'} | ${cells.join(' | ')} |`)
}
const once = nsEach(rounds / 50, () => fields().payload)
console.log(
  `\nParsing the payload of ${bytes.length} bytes, once per event: ${Math.round(once).toLocaleString('en')} ns.`,
)
