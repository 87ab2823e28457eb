// Shows the service every kind of receiver there is, prints what came of it, and writes the reference page.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { startTestServer, urlOf } from '../support/database.ts'
import { runRows } from './conformance.ts'
import { lines, markdown } from './report.ts'

const text = { type: 'string' } as const
const { values } = parseArgs({
  options: { rounds: { ...text, default: '3' }, 'timeout-ms': { ...text, default: '2000' } },
})

const server = process.env.TEST_DATABASE_URL ? undefined : await startTestServer()
if (server !== undefined) process.env.TEST_DATABASE_URL = urlOf(server.connection)
try {
  let failed = 0
  for (let round = 1; round <= Number(values.rounds); round++) {
    const results = await runRows(Number(values['timeout-ms']))
    const wrong = results.filter(({ faults }) => faults.length > 0).length
    failed += wrong
    console.log(`${lines(results)}\nround ${round}: ${results.length} receivers, ${wrong} not as expected\n`)
    if (round === 1)
      writeFileSync(new URL('../../docs/reference/conformance.md', import.meta.url), markdown(results))
  }
  process.exitCode = failed === 0 ? 0 : 1
} finally {
  await server?.stop()
}
