// Breaks the service and what it stands on in every way there is, under load, and shows that nothing is lost.
//   npm run test:faults                  all of it, about half an hour
//   npm run test:faults -- --short       fewer and shorter faults, for CI
//   npm run test:faults -- --only kill --only zombie
//   npm run test:faults -- --report FILE the figures as markdown: between the marks of a page that has them
import { parseArgs } from 'node:util'
import { bundleService, compileCache } from '../support/bundle.ts'
import { clockScenarios } from './clock-scenarios.ts'
import { databaseScenarios } from './database-scenarios.ts'
import { diskScenarios } from './disk-scenarios.ts'
import { hostScenarios } from './host-scenarios.ts'
import { makeTemplate, type Template } from './postgres-server.ts'
import { processScenarios } from './process-scenarios.ts'
import { receiverScenarios } from './receiver-scenarios.ts'
import { replayScenarios } from './replay-scenarios.ts'
import { block, isOk, type Line, writeReport } from './report.ts'
import { roleScenarios } from './role-scenarios.ts'
import type { Result, Scenario } from './scenario.ts'
import { streamScenarios } from './stream-scenarios.ts'

const scenarios: readonly Scenario[] = [
  ...processScenarios,
  ...databaseScenarios,
  ...receiverScenarios,
  ...replayScenarios,
  ...clockScenarios,
  ...diskScenarios,
  ...roleScenarios,
  ...hostScenarios,
  ...streamScenarios,
]

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    report: { type: 'string' },
  },
})
const chosen = scenarios.filter(({ name, isLong }) =>
  values.only.length === 0 ? !(values.short && isLong) : values.only.includes(name),
)
const unknown = values.only.filter(name => !scenarios.some(scenario => scenario.name === name))
if (unknown.length > 0) {
  console.error(
    `There is no ${unknown.join(', ')}. There are: ${scenarios.map(({ name }) => name).join(', ')}.`,
  )
  process.exit(2)
}

/** At a time in the short form; most of them wait most of the time. With four, two cores were a fault of their own. */
const together = 3

const waiting = [...chosen]
const [template, bundle] = await Promise.all([makeTemplate(), bundleService()])
process.env.NODE_COMPILE_CACHE = compileCache
process.env.TEST_LAUNCHER = bundle.launcher
const lines: Line[] = []
try {
  await Promise.all(Array.from({ length: values.short ? together : 1 }, runNext))
} finally {
  await template.remove()
  await bundle[Symbol.asyncDispose]()
}
const skipped = lines.filter(({ result }) => result.kind === 'skipped')
const failed = lines.filter(line => !isOk(line) && line.result.kind === 'ran')
const counts = `${lines.length} scenarios, ${failed.length} failed, ${skipped.length} skipped`
console.log(
  failed.length === 0 ? counts : `${counts}: ${failed.map(({ scenario }) => scenario.name).join(', ')}`,
)
if (values.report !== undefined) writeReport(values.report, lines)
process.exitCode = failed.length === 0 ? 0 : 1

/** One after the other, until none is left. */
async function runNext(): Promise<void> {
  for (let scenario = waiting.shift(); scenario; scenario = waiting.shift()) {
    const line = await runOne(scenario, template)
    lines.push(line)
    console.log(`${block(line)}\n`)
  }
}

async function runOne(scenario: Scenario, template: Template): Promise<Line> {
  const from = performance.now()
  const say = (text: string) => console.log(`   … ${scenario.name}: ${text}`)
  const result = await scenario.run({ template, short: values.short, say }).catch(broken)
  return { scenario, result, tookMs: performance.now() - from }
}

/** A scenario that could not be run to its end has failed. */
function broken(error: unknown): Result {
  const nothing = { median: 0, most: 0 }
  const figures = { faults: 0, accepted: 0, refused: 0, lost: 0, delivered: 0 }
  return {
    kind: 'ran',
    figures: {
      ...figures,
      missing: { byAudit: Number.NaN, byReceiver: Number.NaN },
      repeats: { total: 0, unlogged: 0, mostAtOnce: 0, farthestFromFaultMs: 0 },
      firstMs: nothing,
      backlogMs: nothing,
    },
    allowed: { repeats: 0, why: 'it did not run to its end' },
    notes: [],
    problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  }
}
