import { Presence } from '../cluster/membership.ts'
import { lanesChannel } from '../cluster/postgres-bell.ts'
import type { Gates } from '../dispatch/throttle.ts'
import { parsePause, pauseChannel } from '../model/pause.ts'
import type { SteerableClock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Connection, Database } from '../platform/postgres.ts'
import type { ReceiverStates } from '../subscriptions/receiver-states.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { version } from '../version.ts'
import type { Inbound } from './inbound.ts'
import type { Messengers } from './messengers.ts'
import type { Outbound } from './outbound.ts'

/** What a process does: everything, accept events only, or deliver only. */
export type Role = 'all' | 'api' | 'worker'

/** What the control connection hears is told to. */
export interface Listeners {
  readonly subscriptions: Subscriptions
  readonly gates: Gates
  /** A process that does not deliver has put something into lanes. */
  readonly lanesDue: () => void
  readonly logger: Logger
}

/** The connection that says that this process lives, and hears what others have found out or changed. */
export function connectControl(database: Database, listeners: Listeners): Connection {
  const { subscriptions, gates, lanesDue, logger } = listeners
  return database.connection('control', {
    queryTimeoutMs: 5000,
    onNotification(channel, payload) {
      switch (channel) {
        case lanesChannel:
          return lanesDue()
        case pauseChannel:
          return hearOfPause(gates, payload)
        default:
          subscriptions.refresh(Number(payload)).catch(error => {
            logger.warn(
              { err: error, subscription_id: Number(payload) },
              'a changed subscription could not be read',
            )
          })
      }
    },
  })
}

/** What was paused here may have been resumed, or closed for longer, while nothing was heard. */
async function readPauses(gates: Gates, receivers: ReceiverStates): Promise<void> {
  const paused = gates.paused()
  if (paused.size > 0) gates.follow(await receivers.openUntil([...paused.keys()]), paused)
}

/** Another process (or this one) has found out how a receiver is doing. */
function hearOfPause(gates: Gates, payload: string): void {
  const message = parsePause(payload)
  if (!message) return
  const { subscriptionId } = message
  if (message.kind === 'resumed') gates.resume(subscriptionId)
  else gates.pause(subscriptionId, message.until, message.reason)
}

export interface PresenceSetting {
  readonly role: Role
  readonly database: Database
  readonly control: Connection
  readonly subscriptions: Subscriptions
  readonly receivers: ReceiverStates
  readonly gates: Gates
  readonly inbound: Inbound | undefined
  readonly outbound: Outbound | undefined
  readonly messengers: Messengers
  readonly clock: SteerableClock
  readonly logger: Logger
}

/** Makes this process known, and keeps it listening. */
export function makePresence(setting: PresenceSetting): Presence {
  const { role, database, control, subscriptions, gates, receivers } = setting
  const { inbound, outbound, messengers, clock, logger } = setting
  let listeningOn = -1
  return new Presence({
    database,
    connection: control,
    clock,
    logger,
    role,
    version,
    stats: () => ({
      engine: messengers.engine.name,
      ...(messengers.engine.state && { redis: messengers.engine.state }),
      ...(outbound && {
        ...outbound.dispatcher.load,
        lanes: outbound.lanes.held,
        settling: outbound.log.depth,
      }),
      ...(inbound && { waiting: inbound.writer.depth }),
    }),
    lanesDue: dueAt => outbound?.lanes.ring(dueAt),
    onJoined: () => outbound?.joined(),
    onNewOwner() {
      outbound?.disown()
      messengers.renew()
    },
    async onBeat() {
      outbound?.dispatcher.wake()
      if (control.opened === listeningOn) return
      // A new connection listens to nothing, and what changed while there was none went unheard.
      await control.listen('subscriptions')
      await control.listen(pauseChannel)
      if (outbound) await control.listen(lanesChannel)
      await subscriptions.load()
      await readPauses(gates, receivers)
      listeningOn = control.opened
    },
  })
}
