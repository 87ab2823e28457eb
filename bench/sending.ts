// What a name, and a batch, change about the cost of an event: `npm run bench:idempotency`, `npm run bench:batch`.
// README.md says what is measured.
import { Agent, request } from 'undici'
import { Children } from './children.ts'
import { median, openWorld, rounded } from './growth-world.ts'
import { readMachine } from './report.ts'
import { startEnds } from './trial.ts'

const what = process.argv[2] === 'batch' ? 'batch' : 'idempotency'
const [rounds, seconds, connections, itemsPerBatch] = [40, 0.3, 32, 500] as const
const payload = JSON.stringify({ text: 'x'.repeat(480) })
const run = process.pid

let count = 0
const named = (name: string) => ({ [name]: `${run}-${++count}` })

interface Way {
  readonly path: string
  readonly events: number
  readonly send: () => { readonly headers: Record<string, string>; readonly body: string }
}

const single = (headers: () => Record<string, string>): Way => ({
  path: '/events?event_type=nobody',
  events: 1,
  send: () => ({ headers: { 'content-type': 'application/json', ...headers() }, body: payload }),
})

const item = `{"event_type":"nobody","payload":${payload}}`
const batch = (type: string, body: string): Way => ({
  path: '/events/batch',
  events: itemsPerBatch,
  send: () => ({ headers: { 'content-type': type }, body }),
})

const ways: Readonly<Record<string, Way>> =
  what === 'batch'
    ? {
        single: single(() => ({})),
        array: batch('application/json', `[${Array(itemsPerBatch).fill(item).join(',')}]`),
        lines: batch('application/x-ndjson', Array(itemsPerBatch).fill(item).join('\n')),
      }
    : {
        without: single(() => ({})),
        key: single(() => named('idempotency-key')),
        event_id: single(() => named('x-event-id')),
        both: single(() => ({ ...named('idempotency-key'), ...named('x-event-id') })),
      }

/** Sends over all connections for some seconds. @returns events per second that were accepted */
async function measure(origin: string, way: Way): Promise<number> {
  const dispatcher = new Agent({ connections })
  const beganAt = performance.now()
  let accepted = 0
  const senders = way.events === 1 ? connections : 4
  const sender = async () => {
    while (performance.now() - beganAt < seconds * 1000) {
      const answer = await request(origin + way.path, { method: 'POST', dispatcher, ...way.send() })
      const text = await answer.body.text()
      if (answer.statusCode === 202) accepted += way.events === 1 ? 1 : text.split('"webhook_id"').length - 1
    }
  }
  await Promise.all(Array.from({ length: senders }, sender))
  const perSecond = accepted / ((performance.now() - beganAt) / 1000)
  await dispatcher.close()
  return perSecond
}

const children = new Children()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
try {
  const ends = await startEnds(children)
  const world = await openWorld(children, ends.receiverPort)
  try {
    const origin = `http://127.0.0.1:${world.contender.port}`
    const found = new Map(Object.keys(ways).map(name => [name, [] as number[]]))
    for (const way of Object.values(ways)) await measure(origin, way) // warm
    for (let round = 0; round < rounds; round++) {
      for (const [name, way] of Object.entries(ways)) found.get(name)?.push(await measure(origin, way))
    }
    const [[, base] = ['', []]] = found
    console.log('| way | accepted/s | cost of an event, to the first |\n|---|---|---|')
    for (const [name, figures] of found) {
      const ratios = figures.map((figure, n) => (base[n] ?? Number.NaN) / figure)
      console.log(`| ${name} | ${rounded(median(figures), 0)} | ${rounded(median(ratios), 2)} |`)
    }
    console.log(
      `\n${JSON.stringify({ machine: readMachine(), rounds, seconds, connections, itemsPerBatch })}`,
    )
  } finally {
    await world.close()
  }
} finally {
  children.killAll()
}
process.exit()
