import type { Family } from './families.ts'
import { type Numbers, type Series, seriesOfAll } from './figures.ts'

/** The text format of Prometheus, and its media type. */
export interface Exposition {
  readonly contentType: string
  readonly text: string
}

interface Value {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
  readonly metricName?: string
}

/** Writes figures as text. The library is loaded by the first one who asks. */
export async function expose(numbers: Numbers): Promise<Exposition> {
  const { Registry } = await import('@prometheus-io/client')
  const registry = new Registry()
  for (const [family, series] of seriesOfAll(numbers)) {
    const values = series.flatMap(one => valuesOf(family, one))
    if (values.length === 0) continue
    const { name, help, type } = family
    const metric = { name, help, type, values }
    // It takes whatever has a name and can be asked for its values; its types know its own classes only.
    registry.registerMetric({ ...metric, get: async () => metric } as never)
  }
  return { contentType: registry.contentType, text: await registry.metrics() }
}

/** What is not known is left out. */
function valuesOf(family: Family, { labels, numbers }: Series): readonly Value[] {
  if (family.type !== 'histogram') {
    const [value = Number.NaN] = numbers
    return Number.isNaN(value) ? [] : [{ labels, value }]
  }
  let count = 0
  const buckets = [...family.buckets, Number.POSITIVE_INFINITY].map((bound, index) => {
    count += numbers[index] ?? 0
    const le = bound === Number.POSITIVE_INFINITY ? '+Inf' : String(bound)
    return { labels: { ...labels, le }, value: count, metricName: `${family.name}_bucket` }
  })
  const sum = numbers.at(-1) ?? 0
  return [
    ...buckets,
    { labels, value: sum, metricName: `${family.name}_sum` },
    { labels, value: count, metricName: `${family.name}_count` },
  ]
}
