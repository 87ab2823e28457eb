import { HttpDestination, httpHint } from '../../../src/destinations/http/http-destination.ts'
import { defaultRetryPolicy } from '../../../src/model/retry-policy.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { destinationSuite, type ReceiverBehaviour } from '../../support/destination-suite.ts'
import { testEgress } from '../../support/egress.ts'
import { type Behaviour, startReceiver } from '../../support/receiver.ts'
import { aSubscription } from '../../support/subscription.ts'

/** How receivers of HTTP do what the suite asks of them. */
const behaviours: Readonly<Record<Exclude<ReceiverBehaviour, 'does not exist'>, Behaviour>> = {
  accepts: { status: 204 },
  'has too much to do': { status: 503 },
  'has too much to do for a minute': { status: 429, headers: { 'retry-after': '60' } },
  'is gone': { status: 410 },
  refuses: { status: 400, body: 'no such order' },
  hangs: { fault: 'hang' },
  'breaks off': { fault: 'reset' },
}

destinationSuite('HTTP', async t => {
  const clock = systemClock()
  const { connector } = testEgress()
  const destination = new HttpDestination({ clock, responseBytesMax: 1000, connectorFor: () => connector })
  t.after(() => destination.close())
  return {
    destination,
    hint: httpHint,
    now: () => clock.now(),
    async receiver(behaviour) {
      const receiver = await startReceiver(behaviour === 'does not exist' ? {} : behaviours[behaviour])
      t.after(() => receiver.close())
      if (behaviour === 'does not exist') await receiver.close()
      const to = aSubscription({ origin: receiver.origin, connectTimeoutMs: 10_000 })
      const retry = { ...defaultRetryPolicy, terminalStatuses: [400] }
      return {
        message: (body, headers) => ({ to, headers, body }),
        finalMessage: () => ({ to: { ...to, retry }, headers: [], body: Buffer.from('{}') }),
        received: receiver.received,
        waitFor: count => receiver.waitFor(count, 60_000),
      }
    },
  }
})
