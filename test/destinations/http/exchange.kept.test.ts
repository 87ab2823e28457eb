import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { httpDestination } from '../../support/http-destination.ts'

/** What a receiver does with a request: answers with these bytes, or ends the connection. */
type Act = string | 'close' | 'reset'

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'

interface World {
  readonly send: (id?: string, timeoutMs?: number) => ReturnType<ReturnType<typeof httpDestination>['send']>
  readonly figures: () => { readonly connections: number; readonly repeated: number }
  /** Of each request the number of its connection and its id. */
  readonly seen: readonly (readonly [connection: number, id: string])[]
  readonly sockets: readonly Socket[]
}

/** A receiver that does with its requests in turn what is said here, and sends to it one after the other. */
async function aWorld(t: TestContext, ...acts: readonly Act[]): Promise<World> {
  const seen: [number, string][] = []
  const sockets: Socket[] = []
  const server = createServer(socket => {
    const connection = sockets.push(socket)
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const act = acts[seen.length] ?? ok
      seen.push([connection, /webhook-id: (\S+)/.exec(chunk.toString())?.[1] ?? ''])
      if (act === 'close') socket.end()
      else if (act === 'reset') socket.resetAndDestroy()
      else socket.write(act)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const { send, destination } = httpDestination(t, { capture: { of: 'failures', bodyBytesMax: 100 } })
  return {
    async send(id = 'evt_1', timeoutMs = 30_000) {
      const outcome = await send(`http://127.0.0.1:${port}`, { headers: ['webhook-id', id], timeoutMs })
      for (let n = 0; n < 3; n++) await new Promise(resolve => setImmediate(resolve)) // the connection is free then
      return outcome
    },
    figures: () => destination.figures,
    seen,
    sockets,
  }
}

test('a kept connection that ends as it is used again costs no attempt: the same request goes over a new one', async t => {
  for (const end of ['close', 'reset'] as const) {
    const world = await aWorld(t, ok, end)
    assert.equal((await world.send('evt_1')).kind, 'accepted')
    const outcome = await world.send('evt_2')
    assert.equal(outcome.kind, 'accepted', end)
    assert.deepEqual(world.seen, [
      [1, 'evt_1'],
      [1, 'evt_2'],
      [2, 'evt_2'],
    ])
    assert.deepEqual([outcome.isRepeated, world.figures().repeated], [true, 1])
    assert.deepEqual(
      [outcome.exchange?.timings.repeated, outcome.exchange?.timings.reused],
      [true, false],
      'it is remembered, though it is a success',
    )
  }
})

test('it is sent again once: a receiver that goes on like this has failed', async t => {
  const world = await aWorld(t, ok, 'close', 'close')
  await world.send()
  const outcome = await world.send()
  assert.equal(outcome.kind === 'unreachable' && outcome.errorClass, 'connect')
  assert.equal(world.seen.length, 3)
})

test('a connection that ends at its first request is a failure, and nothing is repeated', async t => {
  for (const end of ['close', 'reset'] as const) {
    const world = await aWorld(t, end)
    const outcome = await world.send()
    assert.equal(outcome.kind === 'unreachable' && outcome.errorClass, 'connect')
    assert.deepEqual([world.seen.length, outcome.isRepeated, world.figures().repeated], [1, undefined, 0])
  }
})

test('after one byte of an answer nothing is repeated: the receiver has had the request', async t => {
  const world = await aWorld(t, ok, 'HTTP/1.1 2')
  await world.send()
  const running = world.send()
  while (world.seen.length < 2) await new Promise(resolve => setImmediate(resolve))
  world.sockets[0]?.end()
  const outcome = await running
  assert.equal(outcome.kind === 'unreachable' && outcome.errorClass, 'connect')
  assert.equal(world.seen.length, 2)
})

test('a receiver that does not answer in time has failed, on a kept connection too', async t => {
  const world = await aWorld(t, ok, '')
  await world.send()
  const outcome = await world.send('evt_2', 100)
  assert.equal(outcome.kind === 'unreachable' && outcome.errorClass, 'timeout')
  assert.equal(world.seen.length, 2)
})

test('an idle connection is closed before common servers close theirs, and when the receiver says sooner, sooner', async t => {
  const named = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=1\r\n\r\n'
  for (const [answer, serverMs] of [
    [ok, 2000],
    [named, 1000],
  ] as const) {
    const world = await aWorld(t, answer)
    await world.send()
    const [socket] = world.sockets
    assert.ok(socket)
    // Both count from the same moment on the same clock, so that a busy machine makes both late. What is closed before the time
    // is over is heard of in one of the next turns.
    const server = async () => {
      await sleep(serverMs)
      for (let turn = 0; turn < 5; turn++) await nextTurn()
      return 'the server'
    }
    const first = await Promise.race([once(socket, 'end').then(() => 'we'), server()])
    assert.equal(first, 'we', `a server that closes after ${serverMs} ms`)
  }
})
