import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Outages } from '../../src/deliver/outages.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { eventually } from '../support/eventually.ts'

function aLog() {
  const lines: Record<string, unknown>[] = []
  const output = { write: (line: string) => void lines.push(JSON.parse(line)) }
  return { lines, logger: createLogger({ level: 'info', format: 'json', output }) }
}

test('an outage is told as it begins, with what to do, and as it ends, however many deliveries wait', async () => {
  const { lines, logger } = aLog()
  const outages = new Outages(logger, 50)
  for (let n = 0; n < 1000; n++) outages.postponed('EMFILE', 'connect EMFILE')
  assert.equal(lines.length, 1)
  assert.deepEqual([lines[0]?.level, lines[0]?.error_code], ['warn', 'EMFILE'])
  assert.match(String(lines[0]?.msg), /no attempt is spent: .*ulimit -n/)
  await eventually(
    async () => lines.length,
    count => count === 2,
  )
  assert.deepEqual([lines[1]?.msg, lines[1]?.postponed], ['deliveries go on', 1000])
  outages.postponed('EMFILE', 'connect EMFILE')
  assert.equal(lines.length, 3, 'the next one is told anew')
})

test('two lacks at a time are two outages', () => {
  const { lines, logger } = aLog()
  const outages = new Outages(logger)
  for (const code of ['EMFILE', 'PROXY_UNAVAILABLE', 'EMFILE']) outages.postponed(code, code)
  assert.deepEqual(
    lines.map(line => line.error_code),
    ['EMFILE', 'PROXY_UNAVAILABLE'],
  )
})
