import { setTimeout as sleep } from 'node:timers/promises'
import { client } from '../support/service.ts'
import { repeated } from './figures.ts'
import { unloggedOnly } from './process-scenarios.ts'
import { Receiver } from './receiver.ts'
import type { Ground, Ran, Scenario } from './scenario.ts'
import { between, World } from './world.ts'

/** What happens to replays, and to a discard of what waited, while processes come and go. */
export const replayScenarios: readonly Scenario[] = [
  {
    name: 'replay',
    title:
      'dead letters are sent again in the background, while processes are killed and restarted, now and then all at once',
    run: replay,
  },
  {
    name: 'replay-cancel',
    title:
      'a replay is cancelled half way, just before all processes are killed; then what is left is sent again',
    run: replayCancelled,
  },
  {
    name: 'discard',
    title:
      'a paused subscription is resumed without what waited, while processes are killed; what comes meanwhile is delivered',
    run: discard,
  },
]

/** A receiver of its own beside that of the load. */
interface Down extends AsyncDisposable {
  readonly receiver: Receiver
  readonly subscriptionId: number
  /** Events that were accepted for it. */
  readonly ids: readonly string[]
}

const answersWell = () => ({ kind: 'ok', delayMs: between(0, 20) }) as const

/** What is told of a replay, as openapi.json has it. */
interface Told {
  readonly id: string
  readonly state: string
  readonly total: number | null
  readonly queued: number
  readonly delivered: number
  readonly failed: number
  readonly skipped: number
  readonly gone: number
}

const settings = { CIRCUIT_FAILURES: '0' } as const

/** A receiver that fails until all of some events are dead letters, and answers well from then on. */
async function withDeadLetters(world: World, count: number): Promise<Down> {
  const receiver = new Receiver(() => ({ kind: 'error', delayMs: 0 }))
  await receiver.listen()
  const down = await subscribe(world, receiver, { retry: { max_attempts: 1 } }, count)
  while ((await deadLetters(world, down)) < count) await sleep(100)
  receiver.records.clear()
  receiver.treat = answersWell
  return down
}

async function subscribe(world: World, receiver: Receiver, rules: object, count: number): Promise<Down> {
  const api = client(world.crew.urls()[0] ?? '')
  const { id } = await api.subscribe({ target_url: `${receiver.origin}/`, max_in_flight: 10, ...rules })
  const ids: string[] = []
  for (let n = 0; n < count; n += 20) {
    const some = Array.from({ length: Math.min(20, count - n) }, (_, index) => n + index)
    ids.push(...(await Promise.all(some.map(one => api.ingest(id, JSON.stringify({ n: one }))))))
  }
  return { receiver, subscriptionId: id, ids, [Symbol.asyncDispose]: () => receiver.close() }
}

async function deadLetters(world: World, { subscriptionId }: Down): Promise<number> {
  const [row] = await world.query<{ n: number }>(
    `select count(*)::int as n from (
       select distinct on (webhook_id) verdict from delivery_logs where subscription_id = $1
       order by webhook_id, id desc) last where verdict = 'given_up'`,
    [subscriptionId],
  )
  return row?.n ?? 0
}

/** Asks whichever process answers, for up to a minute. What is asked can be asked twice. */
async function ask<Answer>(world: World, method: string, path: string, body?: object): Promise<Answer> {
  for (const end = performance.now() + 60_000; ; await sleep(50)) {
    for (const url of world.crew.urls()) {
      const sent = fetch(`${url}${path}`, {
        method,
        ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      const answer = await sent.catch(() => undefined)
      if (answer?.ok) return (await answer.json()) as Answer // as openapi.json has it
      if (answer && answer.status < 500) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
    }
    if (performance.now() > end) throw new Error(`nobody has answered ${path} for a minute`)
  }
}

async function startReplay(world: World, { subscriptionId }: Down, rate: number): Promise<Told> {
  const filter = { subscription_id: subscriptionId, state: 'failed' }
  return ask<Told>(world, 'POST', '/replays', { filter, rate_per_second: rate })
}

const told = (world: World, { id }: Told) => ask<Told>(world, 'GET', `/replays/${id}`)

async function untilDone(world: World, replay: Told): Promise<Told> {
  for (const end = performance.now() + 120_000; ; await sleep(200)) {
    const now = await told(world, replay)
    if (now.state === 'done' || performance.now() > end) return now
  }
}

/** Kills one process, or each fourth time all, or lets one end well; each is replaced at once. */
async function disturb(world: World, turn: number): Promise<void> {
  const { crew } = world
  const [one] = crew.members
  const victims = turn % 4 === 3 ? [...crew.members] : one ? [one] : []
  const signal = turn % 4 === 1 ? 'SIGTERM' : 'SIGKILL'
  await world.fault(signal, () => Promise.all(victims.map(victim => crew.end(victim, signal))))
  for (const { start } of victims) crew.launch(start)
  while (crew.urls().length === 0) await sleep(50)
}

/** What arrived more often than the log knows of was sent by a process that was killed before it could log it. */
async function wrongsOf(world: World, { receiver, ids }: Down, expected: number): Promise<string[]> {
  const times = (id: string) =>
    receiver.records.get(id)?.arrivals.filter(({ isAccepted }) => isAccepted).length ?? 0
  const arrived = ids.filter(id => times(id) > 0).length
  const logged = new Map(
    (
      await world.query<{ webhook_id: string; n: number }>(
        `select webhook_id, count(*)::int as n from delivery_logs
         where status = 'success' and webhook_id = any($1) group by webhook_id`,
        [repeated(receiver.records)],
      )
    ).map(row => [row.webhook_id, row.n]),
  )
  const doubled = ids.filter(id => (logged.get(id) ?? 0) > 1).length
  return [
    ...(arrived === expected ? [] : [`${arrived} dead letters have arrived, and should ${expected}`]),
    ...(doubled === 0 ? [] : [`${doubled} were delivered twice by the log`]),
  ]
}

function wrongFigures({ state, total, queued, delivered, failed, skipped, gone }: Told, count: number) {
  const isRight =
    state === 'done' &&
    total === count &&
    queued === count &&
    delivered === count &&
    failed + skipped + gone === 0
  return isRight
    ? []
    : [
        `the replay of ${count} says ${JSON.stringify({ state, total, queued, delivered, failed, skipped, gone })}`,
      ]
}

async function replay(ground: Ground): Promise<Ran> {
  const count = ground.short ? 300 : 3000
  await using world = await World.open(ground, { processes: 3, perSecond: 40, env: settings })
  await using down = await withDeadLetters(world, count)
  const made = await startReplay(world, down, ground.short ? 40 : 50)
  let turn = 0
  for (; (await told(world, made)).state !== 'done' && turn < 100; turn++) {
    await sleep(between(500, 1500))
    await disturb(world, turn)
    ground.say(`${(await told(world, made)).delivered} of ${count} delivered`)
  }
  const done = await untilDone(world, made)
  const ran = await world.finish(30_000, unloggedOnly)
  const problems = [...wrongFigures(done, count), ...(await wrongsOf(world, down, count))]
  if (turn < 3) problems.push('the replay was done before it was disturbed')
  const note = `a replay of ${count} was disturbed ${turn} times: ${done.delivered} delivered, ${repeated(down.receiver.records).length} of them more than once, which the log does not know of`
  return { ...ran, notes: [...ran.notes, note], problems: [...ran.problems, ...problems] }
}

async function replayCancelled(ground: Ground): Promise<Ran> {
  const count = ground.short ? 300 : 2000
  await using world = await World.open(ground, { processes: 3, perSecond: 40, env: settings })
  await using down = await withDeadLetters(world, count)
  const made = await startReplay(world, down, ground.short ? 60 : 100)
  while ((await told(world, made)).delivered < count / 3) await sleep(50)
  await ask(world, 'POST', `/replays/${made.id}/cancel`)
  await disturb(world, 3)
  const owed = await world.untilSettled(down.subscriptionId, 120_000)
  const { state, queued } = await told(world, made)
  const problems = state === 'cancelled' ? [] : [`the cancelled replay is ${state}`]
  if (owed > 0) problems.push(`${owed} of it are still owed after two minutes`)
  const left = await deadLetters(world, down)
  if (left !== count - queued) problems.push(`${left} dead letters are left, and should ${count - queued}`)
  problems.push(...(await wrongsOf(world, down, queued)))
  const rest = await untilDone(world, await startReplay(world, down, 1000))
  problems.push(...wrongFigures(rest, left))
  const ran = await world.finish(30_000, unloggedOnly)
  problems.push(...(await wrongsOf(world, down, count)))
  const note = `cancelled when ${queued} of ${count} were queued; the other ${left} by a second replay`
  return { ...ran, notes: [...ran.notes, note], problems: [...ran.problems, ...problems] }
}

async function discard(ground: Ground): Promise<Ran> {
  const count = ground.short ? 20_000 : 200_000
  await using world = await World.open(ground, { processes: 3, perSecond: 40, env: settings })
  const receiver = new Receiver(answersWell)
  await receiver.listen()
  await using down = await subscribe(world, receiver, { paused: true, retry: { max_attempts: 1 } }, 100)
  const { subscriptionId } = down
  await world.query(
    `with e as (
       insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
       select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint - 1000), 12, '0') || '7000'
               || lpad(to_hex(n), 16, '8000'))::uuid, 'default', 'application/json', '{"n":-1}', array[$1::int]
       from generate_series(1, $2::int) n returning webhook_id)
     insert into owed (webhook_id, subscription_id, size_bytes, due_at) select webhook_id, $1, 8, now() from e`,
    [subscriptionId, count - 100],
  )
  const resumed = await ask<{ waiting: { count: number } }>(
    world,
    'POST',
    `/subscriptions/${subscriptionId}/resume`,
    { waiting: 'discard' },
  )
  const problems: string[] = []
  if (resumed.waiting.count !== count) problems.push(`${resumed.waiting.count} waited, and should ${count}`)
  const api = client(world.crew.urls()[0] ?? '')
  const fresh = await Promise.all(Array.from({ length: 50 }, () => api.ingest(subscriptionId, '{"n":1}')))
  let turn = 0
  const isDiscarding = async () => {
    const rows = await world.query('select from lane_discards')
    return rows.length > 0
  }
  for (; (await isDiscarding()) && turn < (ground.short ? 10 : 60); turn++) {
    await sleep(between(200, 800))
    await disturb(world, turn)
  }
  await world.untilSettled(subscriptionId, 60_000)
  const ran = await world.finish(30_000, unloggedOnly)
  const [cancelled] = await world.query<{ n: number; events: number }>(
    `select count(*)::int as n, count(distinct webhook_id)::int as events from delivery_logs
     where subscription_id = $1 and verdict = 'cancelled'`,
    [subscriptionId],
  )
  if (cancelled?.n !== count || cancelled.events !== count)
    problems.push(`${cancelled?.n} rows of the log say that one of ${count} was discarded`)
  const missing = fresh.filter(id => !receiver.records.has(id)).length
  if (missing > 0) problems.push(`${missing} events that came after the resume were not delivered`)
  const wrong = [...receiver.records.keys()].filter(id => !fresh.includes(id)).length
  if (wrong > 0) problems.push(`${wrong} events that were discarded were delivered`)
  const note = `${count} that waited were discarded, disturbed ${turn} times`
  return { ...ran, notes: [...ran.notes, note], problems: [...ran.problems, ...problems] }
}
