import { configurationPage, envExample } from '../src/config/reference.ts'
import { errorCodes } from '../src/errors.ts'
import { metricsPage } from '../src/metrics/reference.ts'
import { dashboardTypes } from './dashboard-types.ts'
import { openapiDocument } from './openapi.ts'
import { presetsPage } from './presets-page.ts'

/** Every generated file that is committed: its path in the repository → its content. */
export async function generatedFiles(): Promise<ReadonlyMap<string, string>> {
  const openapi = await openapiDocument()
  return new Map([
    ['.env.example', envExample()],
    ['docs/reference/configuration.md', configurationPage()],
    ['docs/reference/errors.md', errorsPage()],
    ['openapi.json', openapi],
    ['ui/src/api/schema.ts', dashboardTypes(openapi)],
    ['docs/reference/metrics.md', metricsPage()],
    ['docs/reference/presets.md', presetsPage()],
  ])
}

function errorsPage(): string {
  const codes = Object.entries(errorCodes)
  const rows = codes.map(([code, { status, title }]) => `| ${status} | [\`${code}\`](#${code}) | ${title} |`)
  const sections = codes.map(
    ([code, { status, title }]) => `## ${code}\n\n${title}: status ${status}. ${advice(status)}\n`,
  )
  return `<!-- Made by "npm run generate" from src/errors.ts. Change it there. -->

# Errors

Errors are \`application/problem+json\` (RFC 9457). \`code\` is one of these words and stays the same between versions.
\`detail\` is a sentence about this one case that says what to do. \`instance\` is the id of the request, which is also in
the log. \`errors\` lists the fields that did not pass, each with a JSON Pointer.

With 503 the event was almost always not accepted. Only when PostgreSQL's answer to the commit was late or lost can it be
accepted all the same: then a request that is sent again makes a second event, with another \`webhook-id\`.

| status | code | title |
|---|---|---|
${rows.join('\n')}

${sections.join('\n')}`
}

function advice(status: number): string {
  if (status === 503) {
    return 'The request is not known to be accepted. Send it again after the seconds in `Retry-After`.'
  }
  if (status >= 500)
    return 'A fault of the service: its log has the cause under the `instance` of the answer.'
  if (status === 408) return 'Nothing was accepted. Send the same request again.'
  if (status === 412) return 'Read it again, then repeat the change with the new version in `If-Match`.'
  if (status === 429)
    return 'Nothing was accepted. Send it again after the seconds in `Retry-After`; after wrong API keys, a valid one is accepted at once.'
  if (status === 401 || status === 403)
    return 'The same request with the same credentials will be refused again.'
  return 'The same request will be refused again; `detail` says what to change.'
}
