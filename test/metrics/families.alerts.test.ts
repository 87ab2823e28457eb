import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { families } from '../../src/metrics/families.ts'
import { promtool } from '../support/prometheus.ts'

const file = (name: string) => new URL(`../../docs/monitoring/${name}`, import.meta.url)
const read = (name: string) => readFile(file(name), 'utf8')

const words = new Set(
  'sum rate increase absent and histogram_quantile by le max min connection reason outcome verdict state scope kind statistic success p99 partitions disk_full overloaded database_unavailable internal m h __rate_interval'.split(
    ' ',
  ),
)

/** Names in an expression that are neither of the language nor of a label. */
function metricsIn(expression: string): readonly string[] {
  return [...expression.matchAll(/[a-z_][a-z0-9_]*/g)].map(([name]) => name).filter(name => !words.has(name))
}

function exists(name: string): boolean {
  return Object.values(families).some(family => {
    if (family.type !== 'histogram') return family.name === name
    return [`${family.name}_bucket`, `${family.name}_sum`, `${family.name}_count`].includes(name)
  })
}

test('every metric that the alert rules name exists', async () => {
  const { groups } = parse(await read('alerts.yaml')) as { groups: { rules: { expr: string }[] }[] } // our own file
  const named = groups.flatMap(({ rules }) => rules.flatMap(({ expr }) => metricsIn(expr)))
  assert.ok(named.length > 10)
  assert.deepEqual(
    named.filter(name => !exists(name)),
    [],
  )
})

test('every metric that the dashboard shows exists', async () => {
  const { panels } = JSON.parse(await read('grafana-dashboard.json')) as {
    panels: { targets: { expr: string }[] }[]
  } // our own file
  const named = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => metricsIn(expr)))
  assert.ok(named.length > 20)
  assert.deepEqual(
    named.filter(name => !exists(name)),
    [],
  )
})

test('the alert rules are rules of Prometheus', t => {
  const checked = promtool(['check', 'rules', fileURLToPath(file('alerts.yaml'))])
  if (checked === undefined) return t.skip('promtool is not here')
  assert.equal(checked.status, 0, checked.said)
})
