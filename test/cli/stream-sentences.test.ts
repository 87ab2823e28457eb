import assert from 'node:assert/strict'
import { test } from 'node:test'
import { streamSentence } from '../../src/cli/stream-sentences.ts'

const withoutTime = (sentence: string) => sentence.replace(/^\S+ /, '')
const at = '2026-03-01T12:00:00.000Z'

test('each kind of event is a line for people', () => {
  const about = { webhook_id: 'e1', subscription_id: 1, timestamp: at, attempt: 1 }
  assert.equal(
    withoutTime(
      streamSentence('accepted', {
        ...{ webhook_id: 'e1', event_type: 'order.paid', size_bytes: 7, deliveries: 2, accepted_at: at },
      }),
    ),
    '→ event e1 accepted (order.paid, 7 bytes), for 2 subscriptions',
  )
  assert.equal(
    withoutTime(
      streamSentence('attempt', {
        ...{ ...about, status: 'success', verdict: 'delivered', http_status: 200, duration_ms: 3 },
      }),
    ),
    '✓ event e1 for subscription 1 delivered: 200 in 3 ms',
  )
  assert.match(
    streamSentence('attempt', {
      ...{ ...about, attempt: 2, status: 'failed', verdict: 'retry', http_status: 500, error: 'HTTP 500' },
      next_attempt_at: at,
    }),
    /✗ event e1 for subscription 1 failed: 500 HTTP 500, attempt 2; again at \d\d:\d\d:\d\d$/,
  )
  assert.equal(
    withoutTime(
      streamSentence('subscription', {
        ...{ subscription_id: 1, state: 'circuit_open', paused: false, paused_before: false, reason: 'why' },
        changed_at: at,
      }),
    ),
    '● the circuit of subscription 1 is open: why',
  )
  assert.equal(streamSentence('gap', { dropped: 7, reason: 'slow_reader' }), '… 7 left out (slow reader)')
  assert.equal(
    withoutTime(
      streamSentence('received', {
        at,
        method: 'POST',
        test_receiver_id: 3,
        body_bytes: 7,
        signature: 'valid',
      }),
    ),
    '← test receiver 3 got POST, 7 bytes, signature valid',
  )
})

test('text of a receiver cannot move the cursor of the terminal', () => {
  const line = streamSentence('attempt', { error: '\u001b[2Jgone\nnext', verdict: 'given_up', timestamp: at })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(line, /[\u0000-\u001f]/)
})
