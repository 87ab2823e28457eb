import type { Notices } from '../cluster/notices.ts'
import type { Unwritten } from '../cluster/unwritten.ts'
import type { Config } from '../config/config.ts'
import { TestSends } from '../deliver/test-sends.ts'
import type { AccessTokens } from '../destinations/http/http-destination.ts'
import { type ConnectorFor, HttpDestination, httpHint } from '../destinations/http/http-destination.ts'
import type { Egress } from '../egress/egress.ts'
import { EgressError } from '../egress/egress-error.ts'
import { selfUnavailable } from '../egress/own-lack.ts'
import { type OwnAddress, selfConnector } from '../egress/self-connector.ts'
import type { TlsIdentity } from '../egress/tls-identity.ts'
import type { EventTypes } from '../event-types/event-types.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import { type Database, isDatabaseUnavailable } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import type { TargetCheck } from '../subscriptions/target-url.ts'
import { type KnownReceiver, type OwnAddresses, testReceiverNotice } from '../test-receivers/own-addresses.ts'
import { receiverPath, TestReceivers } from '../test-receivers/test-receivers.ts'
import { userAgent } from '../version.ts'

export interface OwnReceiversDeps {
  readonly config: Config
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly egress: Egress
  readonly seal: Sealer
}

/** Test receivers, and what their addresses are exempt from. */
export interface OwnReceivers {
  readonly testReceivers: TestReceivers
  /** To be set when this process listens. */
  readonly listening: Listening
  readonly connectorFor: ConnectorFor
  readonly checkTarget: TargetCheck
  /** Whether this is the address of a test receiver of this service. */
  readonly isOwn: (url: string) => Promise<boolean>
}

/** Makes the test receivers; they hear of what other processes change. */
export function openOwnReceivers(deps: OwnReceiversDeps, notices: Notices): OwnReceivers {
  const { config, database, clock, logger, egress, seal } = deps
  const publicUrl = config.publicUrl.replace(/\/+$/, '') || undefined
  const testReceivers = new TestReceivers({ database, clock, seal, publicUrl, basePath: config.basePath })
  const { addresses } = testReceivers
  notices.on(
    testReceiverNotice,
    () => {
      addresses.load().catch(error => {
        const level = isDatabaseUnavailable(error) ? 'debug' : 'warn' // then all are read again afterwards
        logger[level]({ err: error }, 'changed test receivers could not be read')
      })
    },
    () => addresses.load(),
  )
  const listening: Listening = { at: undefined }
  return {
    ...{ testReceivers, listening },
    connectorFor: waysOut(addresses, egress, listening),
    checkTarget: checkTarget(addresses, egress),
    isOwn: async url => (await addresses.find(url)) !== undefined,
  }
}

/** Makes what tests subscriptions. It has connections of its own. */
export function openTestSends(
  { config, database, clock }: Pick<OwnReceiversDeps, 'config' | 'database' | 'clock'>,
  unwritten: Unwritten,
  parts: Pick<OwnReceivers, 'connectorFor'> & {
    readonly tokens: AccessTokens
    readonly subscriptions: Subscriptions
    readonly eventTypes: EventTypes
  },
): TestSends {
  const { subscriptions, eventTypes, connectorFor, tokens } = parts
  return new TestSends({
    ...{ clock, database, unwritten, subscriptions, eventTypes },
    destination: new HttpDestination({
      ...{ clock, connectorFor, tokens },
      responseBytesMax: config.responseLimitBytes,
      capture: { of: 'all', bodyBytesMax: config.captureBodyBytes },
    }),
    userAgent: userAgent(config.contactUrl),
    hint: httpHint,
    capture: config.captureResponses,
  })
}

/** Where this process listens, once it does. */
export interface Listening {
  at: OwnAddress | undefined
}

/**
 * Which way a message takes: to a test receiver of this service over its own port, whatever its address says; to all others
 * where egress allows. Which of them it is, is asked before each connection, as receivers come and go.
 */
function waysOut(addresses: OwnAddresses, egress: Egress, listening: Listening): ConnectorFor {
  const self = selfConnector(() => listening.at)
  const wayTo = (receiver: KnownReceiver | undefined, tls: TlsIdentity | null | undefined) => {
    if (receiver !== undefined) return { connector: self, path: receiverPath(receiver.token) }
    return tls ? egress.connectorOf(tls) : egress.connector
  }
  return ({ targetUrl, credentials }) => {
    const found = addresses.find(targetUrl)
    const tls = credentials?.tls
    return found instanceof Promise ? found.then(one => wayTo(one, tls), notKnown) : wayTo(found, tls)
  }
}

/** The database was asked and is away: it is not known whose address it is, so that nothing is sent. */
function notKnown(cause: unknown): never {
  const message = 'it could not be looked up whether this is the address of a test receiver'
  throw new EgressError('connect', selfUnavailable, message, { cause })
}

/** What is wrong with an address that is given; a test receiver of this service passes whatever the rules are. */
function checkTarget(addresses: OwnAddresses, egress: Egress): TargetCheck {
  return async url => ((await addresses.find(url.href)) === undefined ? egress.check(url) : undefined)
}
