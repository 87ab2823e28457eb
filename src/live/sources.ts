import type { Hint } from '../destinations/destination.ts'
import type { LiveItem, LiveSource } from '../model/live-source.ts'
import { attemptOf } from '../monitor/monitor.ts'
import { uuidTime } from '../platform/id.ts'
import {
  type AcceptedRow,
  type AttemptedRow,
  type ChangedRow,
  readAccepted,
  readAttempted,
  readChanged,
} from './store.ts'

/** Of an event for many no more of them are told; how many there are is. */
const subscriptionsTold = 100

/** What the stream tells of by itself: events, attempts, and states of subscriptions. */
export function ownSources(hint: Hint): readonly LiveSource[] {
  return [
    {
      kind: 'accepted',
      read: async (db, range) => (await readAccepted(db, range)).map(acceptedItem),
    },
    {
      kind: 'attempt',
      read: async (db, range) => (await readAttempted(db, range)).map(row => attemptItem(row, hint)),
    },
    {
      kind: 'subscription',
      read: async (db, range) => (await readChanged(db, range)).map(changedItem),
    },
  ]
}

function acceptedItem(row: AcceptedRow): LiveItem {
  const { id, tenant, event_type: eventType, subscription_ids: subscriptionIds } = row
  return {
    ...{ id, kind: 'accepted', tenant, subscriptionIds, eventType, status: null },
    data: {
      webhook_id: id,
      tenant,
      event_type: eventType,
      content_type: row.content_type,
      size_bytes: row.size_bytes,
      accepted_at: timeOf(row),
      deliver_at: row.deliver_at?.toISOString() ?? null,
      event_id: row.event_id,
      channels: row.channels ?? [],
      deliveries: subscriptionIds.length,
      subscription_ids: subscriptionIds.slice(0, subscriptionsTold),
    },
  }
}

function attemptItem(row: AttemptedRow, hint: Hint): LiveItem {
  const { id, tenant, uid, event_type: eventType, status, subscription_id: subscriptionId } = row
  return {
    ...{ id, kind: 'attempt', tenant, subscriptionIds: [subscriptionId], eventType, status },
    data: { ...attemptOf(row, hint), tenant, subscription_uid: uid, event_type: eventType },
  }
}

function changedItem(row: ChangedRow): LiveItem {
  const { id, tenant, subscription_id: subscriptionId } = row
  return {
    ...{ id, kind: 'subscription', tenant, subscriptionIds: [subscriptionId], eventType: null, status: null },
    data: {
      subscription_id: subscriptionId,
      subscription_uid: row.uid,
      tenant,
      state: row.state,
      state_before: row.state_before,
      paused: row.paused,
      paused_before: row.paused_before,
      reason: row.reason,
      changed_at: timeOf(row),
    },
  }
}

const timeOf = ({ id }: Pick<LiveItem, 'id'>) => new Date(uuidTime(id)).toISOString()
