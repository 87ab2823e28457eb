import { clockTime, type Sentence, type Sentences } from '../platform/logger.ts'

type Fields = Readonly<Record<string, unknown>>

/** The lines of an event for people who watch: accepted, and each attempt. */
export const eventSentences: Sentences = { accepted, attempt }

function accepted(fields: Fields): Sentence {
  const { webhook_id, subscription_id, event_type, size_bytes } = fields
  const type = event_type ? `${event_type}, ` : ''
  const text = `event ${webhook_id} for subscription ${subscription_id} accepted (${type}${size_bytes} bytes)`
  return { mark: '→', is: 'neutral', text }
}

function attempt(fields: Fields): Sentence {
  const { webhook_id, subscription_id, verdict, http_status, duration_ms } = fields
  const where = `event ${webhook_id} for subscription ${subscription_id}`
  if (verdict === 'delivered') {
    const text = `${where} delivered: ${http_status} in ${duration_ms} ms${count(fields)}`
    return { mark: '✓', is: 'good', text }
  }
  const reason = [http_status, fields.error].filter(Boolean).join(' ')
  return { mark: '✗', is: 'bad', text: `${where} failed: ${reason}${count(fields)}; ${next(fields)}` }
}

/** The first attempt is the usual one, and needs no number. */
function count({ attempt }: Fields): string {
  return attempt === 1 ? '' : `, attempt ${attempt}`
}

function next({ verdict, next_at }: Fields): string {
  if (verdict !== 'retry') return String(verdict).replace('_', ' ')
  return `again at ${clockTime(String(next_at)).slice(0, 8)}`
}
