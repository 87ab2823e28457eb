import { type Family, families } from './families.ts'

/** The reference page of all metrics, as Markdown. */
export function metricsPage(): string {
  const all: readonly Family[] = Object.values(families)
  return `<!-- Made by "npm run generate" from src/metrics/families.ts. Change it there. -->

# Metrics

\`GET /metrics\` has all of these; how to scrape it, and what to alert on: [guide](../guides/watching.md). No metric has a label
whose values come from outside, so there are always as many series as this page says.

*Across* says how the figures of several processes behind one port (\`--processes\`) become one: their \`sum\`, the \`max\` or
\`min\` of them, or the \`same\` for all, since it comes from the database. Counters keep what processes have counted that ended
since; when the whole service is started again they begin at 0.

| metric | type | across | series |
|---|---|---|---|
${all.map(row).join('\n')}

${all.map(section).join('\n')}`
}

function seriesOf({ labels, type, buckets }: Family): number {
  const combinations = labels.reduce((count, { values }) => count * values.length, 1)
  return combinations * (type === 'histogram' ? buckets.length + 3 : 1)
}

function row(family: Family): string {
  const { name, type, across } = family
  return `| [\`${name}\`](#${name}) | ${type} | ${across} | ${seriesOf(family)} |`
}

function section({ name, help, labels, buckets }: Family): string {
  const lines = [`## ${name}`, '', `${help}.`]
  // Of versions there is one, and the next one is another.
  const listed = labels.filter(({ values }) => values.length > 1)
  if (listed.length > 0) lines.push('')
  for (const label of listed)
    lines.push(`- \`${label.name}\`: ${label.values.map(value => `\`${value}\``).join(', ')}`)
  if (buckets.length > 0) lines.push('', `Buckets up to (seconds): ${buckets.join(', ')}.`)
  return `${lines.join('\n')}\n`
}
