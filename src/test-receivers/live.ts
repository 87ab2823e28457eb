import type { LiveItem, LiveSource } from '../model/live-source.ts'
import { uuidTime } from '../platform/id.ts'
import { type ReceivedRow, readReceived } from './store.ts'

/** What test receivers get, for the event stream: all of a request but its headers and its body. */
export const receivedSource: LiveSource = {
  kind: 'received',
  read: async (db, range) => (await readReceived(db, range)).map(receivedItem),
}

function receivedItem({ receiver, tenant, ...row }: ReceivedRow): LiveItem {
  const { id, subscription_id: subscriptionId } = row
  return {
    ...{ id, kind: 'received', tenant, eventType: null, status: null },
    subscriptionIds: subscriptionId === null ? [] : [subscriptionId],
    data: { ...row, test_receiver_id: receiver, tenant, at: new Date(uuidTime(id)).toISOString() },
  }
}
