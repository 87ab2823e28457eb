import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Environment } from '../../src/config/config.ts'
import { createLogger } from '../../src/platform/logger.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

interface Line {
  readonly msg?: string
  readonly webhook_id?: string
  readonly outcome?: string
}

/** Two events, of which the first fails, and the lines that the service wrote about events. */
async function linesWith(LOG_EVENTS: string): Promise<readonly string[]> {
  let output = ''
  const write = (text: string) => {
    output += text
  }
  const [first, second] = await twoEvents({ LOG_EVENTS }, { write }) // all lines are written by its end
  return output
    .trim()
    .split('\n')
    .filter(Boolean)
    .map(text => JSON.parse(text) as Line) // a line of the log is an object
    .filter(({ msg }) => msg === 'accepted' || msg === 'attempt')
    .map(({ msg, webhook_id, outcome }) => {
      const event = webhook_id === first ? 'first' : webhook_id === second ? 'second' : 'another'
      return [event, msg, outcome].filter(Boolean).join(' ')
    })
}

/** @returns their ids, when the service has ended */
async function twoEvents(
  settings: Environment,
  output: { write(text: string): void },
): Promise<readonly string[]> {
  await using receiver = await startReceiver((_request, index) => ({ status: index === 0 ? 500 : 200 }))
  await using service = await testService(settings, createLogger({ level: 'info', format: 'json', output }))
  const api = client(service.url)
  const { id } = await api.subscribe({ target_url: receiver.origin, retry: { max_attempts: 1 } })
  const first = await api.ingest(id)
  await receiver.waitFor(1)
  const second = await api.ingest(id)
  await eventually(
    () => api.logs(id),
    logs => logs.length === 2,
  )
  return [first, second]
}

test('LOG_EVENTS says which events have lines in the log of the process', async () => {
  const all = ['first accepted', 'first attempt refused', 'second accepted', 'second attempt accepted']
  assert.deepEqual((await linesWith('all')).toSorted(), all)
  assert.deepEqual(await linesWith('failures'), ['first attempt refused'])
  assert.deepEqual(await linesWith('sample:0'), ['first attempt refused'])
  assert.deepEqual(await linesWith('none'), [])
})
