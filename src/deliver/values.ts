import type { ValueOf } from '../model/message-template.ts'
import { uuidTime } from '../platform/id.ts'
import type { LoadedDelivery } from './message.ts'

/** The values of placeholders that all attempts of a delivery have in common. */
export function eventValues({ delivery, to, content }: LoadedDelivery): ValueOf {
  return placeholder => {
    switch (placeholder.name) {
      case 'id':
        return delivery.webhookId
      case 'event_id':
        return content.eventId
      case 'event_type':
        return content.eventType
      case 'tenant':
        return to.tenant
      case 'subscription_id':
        return String(to.id)
      case 'created_at':
        return new Date(uuidTime(delivery.webhookId)).toISOString()
      case 'metadata':
        return metadataOf(content.metadata, placeholder.of)
      default:
        return undefined // not of an event: the others are given by who knows them
    }
  }
}

/** And those of one attempt. @param now Unix milliseconds */
export function attemptValues(loaded: LoadedDelivery, now: number): ValueOf {
  const ofEvent = eventValues(loaded)
  return placeholder => {
    switch (placeholder.name) {
      case 'attempt':
        return String(loaded.delivery.attempt)
      case 'timestamp':
        return String(Math.floor(now / 1000))
      case 'timestamp_ms':
        return String(now)
      default:
        return ofEvent(placeholder)
    }
  }
}

function metadataOf(
  metadata: Readonly<Record<string, string>> | null | undefined,
  name: string,
): string | undefined {
  return metadata && Object.hasOwn(metadata, name) ? metadata[name] : undefined
}
