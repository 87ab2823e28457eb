import { type Uuid, uuidLowerBound, uuidTime } from '../platform/id.ts'

/** The clocks of two processes can differ a little, so the id of an attempt can be older than that of its event. */
const clockSlackMs = 60_000

/** No row of the log with a smaller id is about this event, or about a later one. So older partitions are not read. */
export function loggedFrom(webhookId: Uuid): Uuid {
  return uuidLowerBound(uuidTime(webhookId) - clockSlackMs)
}
