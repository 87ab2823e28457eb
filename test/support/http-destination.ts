import type { TestContext } from 'node:test'
import { HttpDestination, type HttpDestinationOptions } from '../../src/destinations/http/http-destination.ts'
import type { Connector } from '../../src/egress/connector.ts'
import type { CaptureOf } from '../../src/model/exchange-details.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { defaultRetryPolicy } from '../../src/model/retry-policy.ts'
import { systemClock } from '../../src/platform/clock.ts'
import type { Subscription } from '../../src/subscriptions/subscription.ts'
import { testEgress } from './egress.ts'
import { aSubscription } from './subscription.ts'

/** For requests that end by themselves: so long that no machine is too slow for them. */
const patientMs = 30_000

/** What a test says of a request; the rest does not matter to it. */
export interface RequestOptions {
  readonly path?: string
  readonly headers?: readonly string[]
  readonly body?: Buffer
  readonly timeoutMs?: number
  /** As long as the whole by default. */
  readonly connectTimeoutMs?: number
  readonly terminalStatuses?: readonly number[]
  /** Which subscription it is for. */
  readonly id?: number
  /** What that wants to be remembered; as the destination has it unless given. */
  readonly capture?: CaptureOf
}

export interface TestDestinationOptions extends Partial<HttpDestinationOptions> {
  readonly connector?: Connector
}

/** HTTP, with a way out to this machine; it is closed when the test ends. */
export function httpDestination(
  t: TestContext,
  { connector = testEgress().connector, ...options }: TestDestinationOptions = {},
) {
  const destination = new HttpDestination({
    clock: systemClock(),
    responseBytesMax: 65_536,
    connectorFor: () => connector,
    ...options,
  })
  t.after(() => destination.close())
  const send = (origin: string, request: RequestOptions = {}): Promise<Outcome> => {
    const { headers = [], body = Buffer.from('{}'), timeoutMs = patientMs } = request
    return destination.deliver({ to: receiverAt(origin, request), headers, body }, timeoutMs)
  }
  return { destination, send }
}

function receiverAt(origin: string, request: RequestOptions): Subscription {
  const {
    id = 1,
    path = '/',
    timeoutMs = 3000,
    connectTimeoutMs = timeoutMs,
    terminalStatuses = [],
    capture = null,
  } = request
  const retry = { ...defaultRetryPolicy, terminalStatuses }
  return aSubscription({ id, origin, path, timeoutMs, connectTimeoutMs, retry, capture })
}

/** The outcome of a request is known before its connection is free for the next one: two turns of the event loop. */
export async function connectionFree(): Promise<void> {
  for (let turn = 0; turn < 2; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** The error class of a failure, else the word for what came. */
export function classOf(outcome: Outcome): string {
  return outcome.kind === 'unreachable' ? outcome.errorClass : outcome.kind
}

/** What the log says of a failure. */
export function errorOf(outcome: Outcome): string | undefined {
  return outcome.kind === 'accepted' ? undefined : outcome.error
}
