import { type Result, text } from './conformance.ts'

/** docs/reference/conformance.md: how many receivers there are of each kind, and the outcomes that have a reason of their own. */
export function markdown(results: readonly Result[]): string {
  const wrong = results.filter(isWrong)
  return `${head(results.length)}
${wrong.length === 0 ? 'All are as expected.' : `**${wrong.length} are not as expected.**\n\n${table(wrong)}`}

${summary(results)}

## Outcomes with a reason

${reasons(results)}
`
}

const isWrong = ({ faults }: Result) => faults.length > 0

function head(count: number): string {
  return `<!-- Written by "npm run test:conformance"; do not edit. -->

# How receivers may behave

The service meets ${count} receivers, good and bad: one attempt at each, over real sockets, with the default settings.
\`npm run test:conformance\` prints every receiver with its outcome, and writes this page. A shorter run is part of
\`npm test\`, and fails when an outcome is not as expected or this page has drifted.

An outcome is the \`status\` of the attempt, followed by its \`http_status\` or, without an answer, its \`error_class\`; then
its \`verdict\`, and when the next attempt follows (to the nearest five seconds). It is also checked that the receiver got
one request at most, that no redirect was followed, that the attempt ended by its \`timeout_ms\`, and that each failure has
a \`hint\`.
`
}

/** How many receivers there are of each kind, and how many of them were delivered to. */
function summary(results: readonly Result[]): string {
  const groups = [...Map.groupBy(results, ({ row }) => row.group)]
  const rows = groups.map(([group, of]) => {
    const verdicts = [...new Set(of.map(({ found }) => text(found).split(' → ')[1]))]
    const delivered = of.filter(({ found }) => found.status === 'success').length
    return `| ${group} | ${of.length} | ${delivered} | ${of.length - delivered} | ${verdicts.join('; ')} |`
  })
  return ['| receivers | count | success | failed | what follows |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  )
}

/** The receivers whose outcome needs a reason; those with the same reason are in one row. */
function reasons(results: readonly Result[]): string {
  const groups = Map.groupBy(
    results.filter(({ row }) => row.why !== undefined),
    ({ row, found }) => `${text(found)} | ${row.why}`,
  )
  const rows = [...groups].map(([outcome, of]) => {
    const receivers = [...Map.groupBy(of, ({ row }) => row.group)].map(
      ([group, inGroup]) => `${group}: ${inGroup.map(({ row }) => row.behaviour).join('; ')}`,
    )
    return `| ${receivers.join('<br>')} | ${outcome} |`
  })
  return ['| the receiver | outcome | why |', '|---|---|---|', ...rows].join('\n')
}

function table(results: readonly Result[]): string {
  const rows = results.map(
    ({ row, found, faults }) =>
      `| ${row.group}: ${row.behaviour} | ${text(row.expected)} | ${text(found)} | ${faults.join('; ')} |`,
  )
  return ['| the receiver | expected | seen | faults |', '|---|---|---|---|', ...rows].join('\n')
}

/** All results for a terminal: a line for each receiver, and its faults below. */
export function lines(results: readonly Result[]): string {
  return results
    .map(({ row, found, faults }) => {
      const mark = faults.length === 0 ? '✔' : '✖'
      const name = `${row.group}: ${row.behaviour}`
      const why = row.why === undefined ? '' : ` (${row.why})`
      const outcome = `${mark} ${name.padEnd(66)} ${text(found)}${why}`
      return [outcome, ...faults.map(fault => `    ${fault}`)].join('\n')
    })
    .join('\n')
}
