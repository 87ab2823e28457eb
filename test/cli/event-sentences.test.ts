import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { eventSentences } from '../../src/cli/event-sentences.ts'
import { createLogger } from '../../src/platform/logger.ts'

/** What a person reads on a terminal, without the time before it. */
function read(fields: object, msg: string): string {
  const lines: string[] = []
  const output = { write: (line: string) => void lines.push(line) }
  createLogger({ level: 'info', format: 'pretty', output, sentences: eventSentences }).info(fields, msg)
  const [, line = ''] = /^\d\d:\d\d:\d\d\.\d{3} (.*)\n$/.exec(stripVTControlCharacters(lines.join(''))) ?? []
  return line
}

const event = { webhook_id: '01936b6e-0000-7000-8000-000000000000', subscription_id: 7 }
const where = 'event 01936b6e-0000-7000-8000-000000000000 for subscription 7'

test('an event that comes in is told with its type and size', () => {
  assert.equal(
    read({ ...event, event_type: 'order.created', size_bytes: 21, ms: 3.1 }, 'accepted'),
    `→ ${where} accepted (order.created, 21 bytes)`,
  )
  assert.equal(
    read({ ...event, event_type: null, size_bytes: 0 }, 'accepted'),
    `→ ${where} accepted (0 bytes)`,
  )
})

test('an attempt is told with what came of it and what follows', () => {
  const made = { ...event, attempt: 1, http_status: 200, duration_ms: 12, verdict: 'delivered' }
  assert.equal(read(made, 'attempt'), `✓ ${where} delivered: 200 in 12 ms`)
  assert.equal(read({ ...made, attempt: 3 }, 'attempt'), `✓ ${where} delivered: 200 in 12 ms, attempt 3`)
  const failed = { ...made, http_status: 503, error: 'down', verdict: 'retry' }
  const at = new Date(2026, 0, 1, 12, 3, 14).toISOString()
  assert.equal(read({ ...failed, next_at: at }, 'attempt'), `✗ ${where} failed: 503 down; again at 12:03:14`)
  const { http_status: _none, ...unreachable } = failed
  assert.equal(
    read({ ...unreachable, attempt: 5, verdict: 'given_up' }, 'attempt'),
    `✗ ${where} failed: down, attempt 5; given up`,
  )
})

test('what a receiver answers cannot steer the terminal', () => {
  const failed = {
    ...event,
    attempt: 1,
    http_status: 500,
    error: '\u001b[2J\r\u0007gone',
    verdict: 'given_up',
  }
  assert.doesNotMatch(read(failed, 'attempt'), /\p{Cc}/u)
  assert.match(read(failed, 'attempt'), /gone/)
})

test('other lines show their fields, and each line says its process where there are several', () => {
  assert.equal(read({ signal: 'SIGTERM' }, 'stopping'), 'INFO  stopping signal=SIGTERM')
  assert.match(read({ ...event, size_bytes: 1, pid: 42 }, 'accepted'), / pid=42$/)
})
