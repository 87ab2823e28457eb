import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tellPostponed } from '../../src/deliver/outages.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { eventually } from '../support/eventually.ts'
import { someTroubles } from '../support/troubles.ts'

function aLog() {
  const lines: Record<string, unknown>[] = []
  const output = { write: (line: string) => void lines.push(JSON.parse(line)) }
  return { lines, troubles: someTroubles(createLogger({ level: 'info', format: 'json', output })) }
}

test('an outage is told as it begins, with what to do, and as it ends, however many deliveries wait', async () => {
  const { lines, troubles } = aLog()
  for (let n = 0; n < 1000; n++) tellPostponed(troubles, 'EMFILE', 'connect EMFILE', 50)
  assert.equal(lines.length, 1)
  assert.deepEqual([lines[0]?.level, lines[0]?.error_code], ['warn', 'EMFILE'])
  assert.match(String(lines[0]?.msg), /no attempt is spent: .*ulimit -n/)
  await eventually(
    async () => lines.length,
    count => count === 2,
  )
  assert.deepEqual([lines[1]?.msg, lines[1]?.postponed], ['deliveries go on', 1000])
  tellPostponed(troubles, 'EMFILE', 'connect EMFILE')
  assert.equal(lines.length, 3, 'the next one is told anew')
})

test('two lacks at a time are two outages', () => {
  const { lines, troubles } = aLog()
  for (const code of ['EMFILE', 'PROXY_UNAVAILABLE', 'EMFILE']) tellPostponed(troubles, code, code)
  assert.deepEqual(
    lines.map(line => line.error_code),
    ['EMFILE', 'PROXY_UNAVAILABLE'],
  )
})
