import type { Setter } from '../metrics/metrics.ts'
import { type TroubleKind, troubleKinds } from '../platform/troubles.ts'
import type { Ground, Parts } from './compose.ts'
import type { DescriptorCount } from './descriptors.ts'

/** Reads what the parts of this process know of themselves; see `families` for what it means. */
export function collectFigures(
  { database, health, troubles }: Ground,
  { membership, subscriptions, throttle, link, live, inbound, outbound, descriptors }: FigureParts,
  set: Setter,
): void {
  const { pool, pinned } = database.figures
  set('poolConnections', pool.busy, 'busy')
  set('poolConnections', pool.idle, 'idle')
  set('poolWaiting', pool.waiting)
  set('pinnedConnections', pinned.open, 'open')
  set('pinnedConnections', pinned.closed, 'closed')
  set('databaseUp', health.failing.size === 0 ? 1 : 0)
  if (link) set('redisUp', link.isUsable ? 1 : 0)
  set('subscriptions', subscriptions.size)
  set('deliveringProcesses', membership.position.count)
  set('streams', live.size)
  set('openDescriptors', descriptors.used)
  set('allowedDescriptors', descriptors.allowed)
  const { probing, paused } = throttle.inTrouble()
  set('receiversThrottled', probing, 'open')
  set('receiversThrottled', paused, 'paused')
  const lasting = countsOf(troubles.present)
  // Those of receivers are of the whole installation: they are counted in the database.
  for (const kind of troubleKinds) if (kind !== 'receiver') set('troubles', lasting.get(kind) ?? 0, kind)
  if (inbound) set('waitingEvents', inbound.waiting)
  if (outbound) collectOutbound(outbound, set)
}

type FigureParts = Pick<
  Parts,
  'membership' | 'subscriptions' | 'throttle' | 'link' | 'live' | 'inbound' | 'outbound'
> & { readonly descriptors: DescriptorCount }

function collectOutbound(outbound: NonNullable<Parts['outbound']>, set: Setter): void {
  const { held, heldBytes, inFlight } = outbound.dispatcher.load
  const { connections, repeated } = outbound.connections
  set('heldDeliveries', held)
  set('heldBytes', heldBytes)
  set('workerInFlight', inFlight)
  set('workerConcurrency', outbound.maxInFlight)
  set('receiverConnections', connections)
  set('repeated', repeated)
  set('lanesLeased', outbound.lanes.held)
  set('settling', outbound.log.depth)
}

function countsOf(troubles: readonly { readonly kind: TroubleKind }[]): ReadonlyMap<TroubleKind, number> {
  const counts = new Map<TroubleKind, number>()
  for (const { kind } of troubles) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
