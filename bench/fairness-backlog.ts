import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { subscribe } from './contenders.ts'
import { settle, subscriptionOf, type World } from './growth-world.ts'
import { readMessage } from './http-message.ts'

/**
 * How the receiver of the backlog behaves: it answers at once, after 200 ms, or always with 500; or it is the receiver
 * of the single events itself, so that they compete with the backlog of their own subscription.
 */
export const kinds = ['answering', 'slow', 'failing', 'own'] as const
export type Kind = (typeof kinds)[number]

const slowMs = 200

/** A subscription with a large backlog, paused until it is resumed. */
export interface Backlog {
  readonly kind: Kind
  readonly subscriptionId: number
  /** Requests its receiver has had; undefined for the one that is not ours. */
  readonly requests: () => number | undefined
}

/** Makes a subscription of each kind with its backlog, by SQL: publishing it would take minutes. */
export async function makeBacklogs(
  world: World,
  receiverPort: number,
  wanted: readonly Kind[],
  owed: number,
): Promise<readonly Backlog[]> {
  const backlogs: Backlog[] = []
  for (const kind of wanted) {
    const own = kind === 'own' ? undefined : await startReceiver(kind)
    const target_url = `http://127.0.0.1:${own?.port ?? receiverPort}/`
    const path = await subscribe(world.contender.port, { target_url, paused: true })
    const subscriptionId = Number(path.split('/').at(-1))
    backlogs.push({ kind, subscriptionId, requests: () => own?.requests() })
  }
  await fill(
    world,
    backlogs.map(({ subscriptionId }) => subscriptionId),
    owed,
  )
  return backlogs
}

/** Each event is owed to all of them: as many rows in `owed`, but only one payload. */
async function fill(world: World, ids: readonly number[], owed: number): Promise<void> {
  const step = 100_000
  for (let done = 0; done < owed; done += step) {
    await world.database.query({
      text: `
        with e as (
          insert into events (webhook_id, tenant, content_type, payload, subscription_ids)
          select uuidv7(), 'default', 'application/json', '"backlog"', $1::int[] from generate_series(1, $2::int)
          returning webhook_id)
        insert into owed (webhook_id, subscription_id, size_bytes, due_at)
        select webhook_id, id, 9, now() from unnest($1::int[]) as t (id), e`,
      values: [ids, Math.min(step, owed - done)],
    })
  }
  await world.database.query({
    text: 'update lanes set due_at = now() where subscription_id = any($1)',
    values: [ids],
  })
  await settle(world.database, ['owed', 'events', 'lanes'])
}

export async function startReceiver(kind: Kind) {
  let requests = 0
  const status = kind === 'failing' ? '500 Internal Server Error' : '200 OK'
  const answer = `HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`
  const serve = (socket: Socket) => {
    let rest = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', chunk => {
      rest += chunk.toString('latin1')
      for (let message = readMessage(rest, 0); message; message = readMessage(rest, 0)) {
        rest = rest.slice(message.end)
        requests++
        if (kind === 'slow') setTimeout(() => socket.write(answer), slowMs)
        else socket.write(answer)
      }
    })
  }
  const server: Server = createServer(serve)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  server.unref()
  return { port: (server.address() as AddressInfo).port, requests: () => requests } // it listens on TCP
}

/** Resumes a backlog or pauses it again; waits until its attempts in flight have ended. */
export async function setPaused(
  { contender }: World,
  { subscriptionId }: Backlog,
  paused: boolean,
): Promise<void> {
  const path = `/subscriptions/${subscriptionId}/${paused ? 'pause' : 'resume'}`
  const answer = await fetch(`http://127.0.0.1:${contender.port}${path}`, { method: 'POST' })
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  await answer.body?.cancel()
}

/** The ways of a single event: straight from ingest, or through its lane, as whatever has a rate limit goes. */
export async function makeSingles(world: World, receiverPort: number) {
  const rate_limit = { requests: 10_000, per_seconds: 1 }
  const target_url = `http://127.0.0.1:${receiverPort}/`
  return {
    hot: `/ingest/${subscriptionOf(world)}`,
    lane: await subscribe(world.contender.port, { target_url, rate_limit }),
  }
}
