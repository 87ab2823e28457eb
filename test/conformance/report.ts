import { type Result, text } from './conformance.ts'

/** docs/reference/conformance.md: what every receiver did, and what the service made of it. */
export function markdown(results: readonly Result[]): string {
  const groups = [...new Set(results.map(({ row }) => row.group))]
  const parts = groups.map(group => {
    const rows = results.filter(({ row }) => row.group === group)
    return `## ${group}\n\n${table(rows)}`
  })
  return `${head(results)}\n${parts.join('\n')}`
}

function head(results: readonly Result[]): string {
  const failed = results.filter(({ faults }) => faults.length > 0).length
  return `<!-- Written by "npm run test:conformance"; do not edit. -->

# How receivers may behave

What the service makes of ${results.length} receivers, good and bad: the first attempt at each, over real sockets, with
the default settings. \`npm run test:conformance\` shows them to the service and writes this page; a shorter run is part
of \`npm test\`, and fails when a row is not as expected or this page has drifted.

"success" and "failed" are the \`status\` of the attempt, followed by its \`http_status\` or, without an answer, its
\`error_class\`; then its \`verdict\`, and when the next attempt follows (to the nearest five seconds). The receiver
counts requests: none is sent twice for one attempt, and no redirect is followed. Every attempt ends by its
\`timeout_ms\`, and every failure has a \`hint\`.

${failed === 0 ? 'All are as expected.' : `**${failed} are not as expected.**`}
`
}

function table(results: readonly Result[]): string {
  const lines = results.map(({ row, found, faults }) => {
    const mark = faults.length === 0 ? '' : `**${faults.join('; ')}**`
    const why = [row.why, mark].filter(part => part !== undefined && part !== '').join('. ')
    return `| ${row.behaviour} | ${text(row.expected)} | ${text(found)} | ${why} |`
  })
  return ['| the receiver | expected | seen | why |', '|---|---|---|---|', ...lines, ''].join('\n')
}

/** The same for a terminal: a line for each, and what is wrong below it. */
export function lines(results: readonly Result[]): string {
  return results
    .map(({ row, found, faults }) => {
      const mark = faults.length === 0 ? '✔' : '✖'
      const name = `${row.group}: ${row.behaviour}`
      return [`${mark} ${name.padEnd(66)} ${text(found)}`, ...faults.map(fault => `    ${fault}`)].join('\n')
    })
    .join('\n')
}
