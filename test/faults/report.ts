import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { Result, Scenario } from './scenario.ts'
import { seconds } from './world.ts'

/** A scenario and what came of it. */
export interface Line {
  readonly scenario: Scenario
  readonly result: Result
  readonly tookMs: number
}

export function isOk({ result }: Line): boolean {
  return result.kind === 'ran' && result.problems.length === 0
}

/** For a terminal: what came of one scenario. */
export function block({ scenario, result, tookMs }: Line): string {
  const head = `${scenario.name} (${seconds(tookMs)}): ${scenario.title}`
  if (result.kind === 'skipped') return `!! SKIPPED ${head}\n     NOT TESTED: ${result.why}`
  const { figures: f, allowed, notes, problems } = result
  const lines = [
    `faults ${f.faults}, accepted ${f.accepted}, refused ${f.refused}, unanswered ${f.lost}, delivered ${f.delivered}`,
    `missing by audit ${f.missing.byAudit}, by the receiver ${f.missing.byReceiver}`,
    `repeats ${f.repeats.total} of ${allowed.repeats} allowed: ${allowed.why}`,
    `first delivery ${recovery(f.firstMs)}, backlog worked off ${recovery(f.backlogMs)} after the fault's end`,
    ...notes,
    ...problems.map(problem => `✖ ${problem}`),
  ]
  return [`${problems.length === 0 ? '✔' : '✖'} ${head}`, ...lines.map(line => `     ${line}`)].join('\n')
}

function recovery({ median, most }: { readonly median: number; readonly most: number }): string {
  return `${seconds(median)} (at most ${seconds(most)})`
}

const marks = ['<!-- figures -->', '<!-- end of figures -->'] as const

/** Writes the figures to a file; into a page with marks for them, between these. */
export function writeReport(path: string, lines: readonly Line[]): void {
  const page = existsSync(path) ? readFileSync(path, 'utf8') : marks.join('')
  const [from, to] = [page.indexOf(marks[0]), page.indexOf(marks[1])]
  if (from === -1 || to === -1) throw new Error(`${path} has no place for figures: ${marks.join(' ')}`)
  writeFileSync(path, `${page.slice(0, from)}${marks[0]}\n\n${markdown(lines)}\n${page.slice(to)}`)
}

/** A table, and what was noted below it. */
function markdown(lines: readonly Line[]): string {
  const rows = lines.map(({ scenario, result }) => {
    if (result.kind === 'skipped') return `| ${scenario.name} | not run: ${result.why} | | | | | | | |`
    const { figures: f, allowed, problems } = result
    const cells = [
      scenario.name,
      f.faults,
      number(f.accepted),
      number(f.delivered),
      `${f.missing.byAudit}, ${f.missing.byReceiver}`,
      `${f.repeats.total} (${allowed.repeats})`,
      `${seconds(f.firstMs.median)} / ${seconds(f.firstMs.most)}`,
      `${seconds(f.backlogMs.median)} / ${seconds(f.backlogMs.most)}`,
      problems.length === 0 ? 'ok' : `**failed**: ${problems.join('; ')}`,
    ]
    return `| ${cells.join(' | ')} |`
  })
  const head = [
    '| scenario | faults | accepted | delivered | missing: audit, receiver | repeats (allowed) | first delivery, median / most | backlog gone, median / most | |',
    '|---|---|---|---|---|---|---|---|---|',
  ]
  const notes = lines.flatMap(({ scenario, result }) =>
    result.kind === 'ran'
      ? [`- **${scenario.name}**: ${[result.allowed.why, ...result.notes].join('; ')}.`]
      : [],
  )
  return `${[...head, ...rows].join('\n')}\n\n${notes.join('\n')}\n`
}

function number(value: number): string {
  return value.toLocaleString('en')
}
