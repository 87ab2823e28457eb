import { clockTime, printable } from '../platform/logger.ts'

type Fields = Readonly<Record<string, unknown>>

/** One event of the stream as a line for people who watch. */
export function streamSentence(event: string, data: Fields): string {
  return printable(sentenceOf(event, data)).replaceAll('\n', ' ')
}

function sentenceOf(event: string, data: Fields): string {
  switch (event) {
    case 'accepted':
      return `${at(data.accepted_at)} → ${accepted(data)}`
    case 'attempt':
      return `${at(data.timestamp)} ${data.status === 'success' ? '✓' : '✗'} ${attempt(data)}`
    case 'subscription':
      return `${at(data.changed_at)} ● ${changed(data)}`
    case 'gap':
      return `… ${data.dropped ?? 'an unknown number of'} left out (${String(data.reason).replace('_', ' ')})`
    case 'received':
      return `${at(data.at)} ← test receiver ${data.test_receiver_id} got ${data.method}, ${data.body_bytes} bytes, signature ${data.signature}`
    default:
      return `${event} ${JSON.stringify(data)}`
  }
}

function accepted({ webhook_id, event_type, size_bytes, deliveries, deliver_at }: Fields): string {
  const type = event_type ? `${event_type}, ` : ''
  const when = deliver_at ? `, due ${deliver_at}` : ''
  return `event ${webhook_id} accepted (${type}${size_bytes} bytes), for ${deliveries} subscriptions${when}`
}

function attempt(data: Fields): string {
  const { webhook_id, subscription_id, verdict, http_status, duration_ms, error, next_attempt_at } = data
  const where = `event ${webhook_id} for subscription ${subscription_id}`
  const count = data.attempt === 1 ? '' : `, attempt ${data.attempt}`
  if (verdict === 'delivered') return `${where} delivered: ${http_status} in ${duration_ms} ms${count}`
  const reason = [http_status, error].filter(Boolean).join(' ')
  const next = verdict === 'retry' ? `again at ${at(next_attempt_at)}` : String(verdict).replace('_', ' ')
  return `${where} failed: ${reason}${count}; ${next}`
}

function changed({ subscription_id, state, paused, paused_before, reason }: Fields): string {
  const who = `subscription ${subscription_id}`
  if (paused !== paused_before) return `${who} ${paused ? 'was paused' : 'goes on'}`
  const why = reason ? `: ${reason}` : ''
  return state === 'circuit_open' ? `the circuit of ${who} is open${why}` : `${who} is ${state}${why}`
}

const at = (time: unknown): string => (typeof time === 'string' ? clockTime(time).slice(0, 8) : '--:--:--')
