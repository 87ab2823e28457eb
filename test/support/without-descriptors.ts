// Run with a low `ulimit -n` and the origins of receivers: sends to each while this process has no descriptor left, and to
// the first again when it has. Prints the outcomes, a line each.
import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { HttpDestination } from '../../src/destinations/http/http-destination.ts'
import type { Outcome } from '../../src/model/outcome.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { testEgress } from './egress.ts'
import { aSubscription } from './subscription.ts'

const [first = '', ...others] = process.argv.slice(2)
const egress = testEgress()
const destination = new HttpDestination({
  clock: systemClock(),
  responseBytesMax: 1000,
  connectorFor: () => egress.connector,
})

function send(origin: string): Promise<Outcome> {
  const to = aSubscription({ origin, path: '/', connectTimeoutMs: 20_000 })
  return destination.deliver({ to, headers: [], body: Buffer.from('{}') }, 20_000)
}

async function tell(origin: string): Promise<void> {
  const outcome = await send(origin)
  process.stdout.write(`${JSON.stringify(outcome)}\n`)
}

/** Takes all descriptors that are left. */
function takeAll(): readonly number[] {
  const taken: number[] = []
  for (;;) {
    try {
      taken.push(openSync(devNull, 'r'))
    } catch {
      return taken
    }
  }
}

await send(first) // all code is loaded; an idle connection is kept
await sleep(10)
const taken = takeAll()
await tell(others[0] ?? '') // the idle connection makes room
await sleep(10)
const rest = takeAll()
for (const origin of others.slice(1)) await tell(origin)
for (const descriptor of [...taken, ...rest]) closeSync(descriptor)
await tell(first)
await destination.close()
await egress.close()
