// What an order by key costs: `npm run bench:ordering`. README.md says what is measured.
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { parseArgs } from 'node:util'
import { Children } from './children.ts'
import { subscribe } from './contenders.ts'
import { median, openWorld, pause, rounded, settle, type World } from './growth-world.ts'
import { readMessage } from './http-message.ts'
import { readMachine } from './report.ts'
import { type Ends, runPhase, startEnds } from './trial.ts'

/**
 * What waits in a lane and is delivered: without an order; each with a key of its own; ten of each key; and each with its own
 * key while one more key fails, behind which as many wait as there are of all others.
 */
const backlogs = ['none', 'keys', 'ten of each', 'beside a failing key'] as const
type Backlog = (typeof backlogs)[number]

const failing = 'failing'

/** Answers at once: 500 to the key that fails. It checks what is promised: what comes of a key is in order. */
async function startOrderedReceiver() {
  const last = new Map<string, number>()
  let [received, disorder] = [0, 0]
  const read = (text: string): string => {
    const [, key = '', n = '0'] = /"key":"([^"]*)","n":(\d+)/.exec(text) ?? []
    if (key === failing) return '500 Internal Server Error'
    received++
    if (key === '') return '200 OK'
    if (Number(n) < (last.get(key) ?? 0)) disorder++
    last.set(key, Number(n))
    return '200 OK'
  }
  const server = createServer((socket: Socket) => {
    let rest = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => {
      rest += chunk.toString('latin1')
      for (let message = readMessage(rest, 0); message; message = readMessage(rest, 0)) {
        const status = read(rest.slice(0, message.end))
        rest = rest.slice(message.end)
        socket.write(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    get received() {
      return received
    },
    get disorder() {
      return disorder
    },
    /** What comes now has the keys of others. */
    forget: () => last.clear(),
  }
}

type Receiver = Awaited<ReturnType<typeof startOrderedReceiver>>

/** Makes a paused subscription and what it is owed, by SQL: to have it accepted would take minutes. */
async function fill(world: World, receiver: Receiver, kind: Backlog, count: number): Promise<number> {
  const path = await subscribe(world.contender.port, {
    target_url: `http://127.0.0.1:${receiver.port}/`,
    paused: true,
    max_in_flight: 64,
    retry: { base_seconds: 5, factor: 1, max_attempts: 30 },
    ...(kind !== 'none' && { ordering_key: 'payload.key' }),
  })
  const id = Number(path.split('/').at(-1))
  const each = kind === 'ten of each' ? 10 : 1
  await owe(
    world,
    id,
    count,
    kind === 'none' ? "''" : `'key' || (n % ${Math.ceil(count / each)})`,
    kind !== 'none',
  )
  if (kind === 'beside a failing key') await owe(world, id, count, `'${failing}'`, true)
  await settle(world.database, ['owed', 'events', 'lanes'])
  return id
}

async function owe({ database }: World, id: number, count: number, key: string, isKeyed: boolean) {
  await database.query({
    text: `
      with e as materialized (
        select uuidv7() as id, ${key} as key, n from generate_series(1, $2::int) n),
      i as (
        insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
        select id, 'default', 'application/json', convert_to(format('{"key":"%s","n":%s}', key, n), 'UTF8'), array[$1::int]
        from e)
      insert into owed (webhook_id, subscription_id, size_bytes, due_at, ordering_key)
      select id, $1, 30, now() + make_interval(secs => n * 0.000001) - interval '10 s', case when $3 then key end from e`,
    values: [id, count, isKeyed],
  })
}

/** Resumes it, and waits until all but what fails is delivered. @returns deliveries per second */
async function drain(world: World, receiver: Receiver, id: number, count: number): Promise<number> {
  const before = receiver.received
  receiver.forget()
  const beganAt = performance.now()
  await post(world, `/subscriptions/${id}/resume`)
  while (receiver.received - before < count) {
    await pause(20)
    if (performance.now() - beganAt > 300_000) throw new Error(`only ${receiver.received - before} arrived`)
  }
  const seconds = (performance.now() - beganAt) / 1000
  await fetch(`http://127.0.0.1:${world.contender.port}/subscriptions/${id}`, { method: 'DELETE' })
  await untilNothing(world)
  return count / seconds
}

async function untilNothing({ database }: World): Promise<void> {
  for (;;) {
    const { rows } = await database.query({ text: 'select from owed limit 1' })
    if (rows.length === 0) return
    await pause(200)
  }
}

async function post({ contender }: World, path: string): Promise<void> {
  const answer = await fetch(`http://127.0.0.1:${contender.port}${path}`, { method: 'POST' })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.body?.cancel()
}

/** Fresh events: through their lane without an order, and each with a key of its own. */
const ways = {
  lane: { rate_limit: { requests: 10_000, per_seconds: 1 } },
  keyed: { ordering_key: 'payload.seq' },
} as const

async function fresh(ends: Ends & { receiverPort: number }, world: World, seconds: number, rate: number) {
  const figures: Record<string, number> = {}
  const paths = new Map<string, string>()
  for (const [name, rules] of Object.entries(ways))
    paths.set(
      name,
      await subscribe(world.contender.port, {
        target_url: `http://127.0.0.1:${ends.receiverPort}/`,
        max_in_flight: 64,
        ...rules,
      }),
    )
  for (const [name, path] of paths) {
    const contender = { ...world.contender, path }
    await runPhase(ends, contender, { seconds: 2, rate, size: 500, connections: 64 })
    const steady = await runPhase(ends, contender, { seconds, rate, size: 500, connections: 64 })
    const full = await runPhase(ends, contender, { seconds, rate: 0, size: 500, connections: 64 })
    figures[`${name}_p50_ms`] = rounded(steady.latency.p50Us / 1e3, 2)
    figures[`${name}_p99_ms`] = rounded(steady.latency.p99Us / 1e3, 2)
    figures[`${name}_accepted_per_s`] = Math.round(full.acceptedPerSecond)
    figures[`${name}_delivered_per_s`] = Math.round(full.deliveredPerSecond)
    figures[`${name}_missing`] = steady.missing + full.missing
  }
  return figures
}

async function main(): Promise<number> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    options: {
      keys: { ...text, default: '100000' },
      rounds: { ...text, default: '3' },
      seconds: { ...text, default: '6' },
      rate: { ...text, default: '200' },
    },
  })
  const count = Number(values.keys)
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))
  try {
    const ends = await startEnds(children)
    const world = await openWorld(children, ends.receiverPort)
    try {
      const receiver = await startOrderedReceiver()
      const perSecond = new Map<Backlog, number[]>(backlogs.map(kind => [kind, []]))
      for (let round = 1; round <= Number(values.rounds); round++) {
        for (const kind of round % 2 === 1 ? backlogs : backlogs.toReversed()) {
          const id = await fill(world, receiver, kind, count)
          const rate = await drain(world, receiver, id, count)
          perSecond.get(kind)?.push(rate)
          console.error(`round ${round}: ${kind}, ${Math.round(rate)} deliveries/s`)
        }
      }
      const figures = {
        per_s: Object.fromEntries([...perSecond].map(([kind, rates]) => [kind, Math.round(median(rates))])),
        ...(await fresh(ends, world, Number(values.seconds), Number(values.rate))),
        out_of_order: receiver.disorder,
      }
      console.log(JSON.stringify({ bench: 'ordering', keys: count, ...figures, machine: readMachine() }))
      return receiver.disorder === 0 ? 0 : 1
    } finally {
      await world.close()
    }
  } finally {
    children.killAll()
  }
}

try {
  process.exit(await main())
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exit(2)
}
