import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Exchange } from '../../../src/destinations/http/exchange.ts'
import { OriginPool } from '../../../src/destinations/http/origin-pool.ts'
import type { Outcome } from '../../../src/model/outcome.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import { testEgress } from '../../support/egress.ts'

interface World {
  readonly server: Server
  readonly pool: OriginPool
  readonly origin: string
  /** Connections that were ever made. */
  connections: number
  send(headers?: readonly string[], timeoutMs?: number): Promise<Outcome>
}

/** A pool, and a server that answers at once, as its program says. */
async function aWorld(t: TestContext, program: (path: string) => Record<string, string> = () => ({})) {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(204, program(request.url ?? ''))
    response.end()
  })
  server.on('connection', () => {
    world.connections++
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}` // it listens on TCP
  const pool = new OriginPool(origin, { connect: testEgress().connector, pipelining: 1, allowH2: false })
  t.after(async () => {
    await pool.destroy()
    server.closeAllConnections()
    server.close()
  })
  const world: World = {
    server,
    pool,
    origin,
    connections: 0,
    send: (headers = [], timeoutMs = 30_000) => send(pool, origin, headers, timeoutMs),
  }
  return world
}

async function send(
  pool: OriginPool,
  origin: string,
  headers: readonly string[],
  timeoutMs: number,
): Promise<Outcome> {
  const body = Buffer.from('{}')
  const request = { origin, path: '/', headers, body, timeoutMs, terminalStatuses: [] }
  const capture = { of: 'none', bodyBytesMax: 0 } as const
  const outcome = await new Promise<Outcome>(resolve => {
    const exchange = new Exchange(request, { clock: systemClock(), responseBytesMax: 1000, capture }, resolve)
    pool.dispatch({ path: '/', method: 'POST', headers: [...headers], body }, exchange)
  })
  await turns(3) // a connection is free again a turn after its outcome is known
  return outcome
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve))
}

test('the connection that was used last is used next, and the others stay idle', async t => {
  const { pool, origin, server, send: sendOne } = await aWorld(t)
  const ports: (number | undefined)[] = []
  server.on('request', request => ports.push(request.socket.remotePort))
  await Promise.all(Array.from({ length: 4 }, () => send(pool, origin, [], 30_000)))
  assert.equal(new Set(ports).size, 4)
  ports.length = 0
  for (let n = 0; n < 4; n++) await sendOne()
  assert.equal(new Set(ports).size, 1)
})

test('an idle connection that its receiver closed is not used again', async t => {
  const world = await aWorld(t)
  await Promise.all(Array.from({ length: 3 }, () => world.send()))
  world.server.closeAllConnections()
  await turns(20)
  for (let n = 0; n < 3; n++) assert.equal((await world.send()).kind, 'accepted')
  assert.equal(world.connections, 4)
})

test('a receiver that closes after each answer gets a connection for each request', async t => {
  const world = await aWorld(t, () => ({ connection: 'close' }))
  for (let n = 0; n < 5; n++) assert.equal((await world.send()).kind, 'accepted')
  assert.equal(world.connections, 5)
})

test('a connection that is five minutes old is not used again, however busy it is', async t => {
  const world = await aWorld(t)
  let laterMs = 0
  const real = performance.now.bind(performance)
  t.mock.method(performance, 'now', () => real() + laterMs)
  await world.send()
  laterMs = 299_000
  await world.send()
  assert.equal(world.connections, 1)
  laterMs = 301_000
  await world.send() // it is free, so it is used, and given up then
  await world.send()
  assert.equal(world.connections, 2)
})

test('after a connection that could not be made the next request makes one', async t => {
  const world = await aWorld(t)
  const { port } = world.server.address() as AddressInfo // it listens on TCP
  await new Promise(resolve => world.server.close(resolve))
  for (let n = 0; n < 3; n++) assert.equal((await world.send()).kind, 'unreachable')
  world.server.listen(port, '127.0.0.1')
  await once(world.server, 'listening')
  assert.equal((await world.send()).kind, 'accepted')
})

test('a request that cannot be sent as it is leaves the others alone', async t => {
  const world = await aWorld(t)
  await world.send()
  const refused = await world.send(['bad header', 'x'])
  assert.equal(refused.kind === 'unreachable' && refused.errorClass, 'invalid')
  for (let n = 0; n < 3; n++) assert.equal((await world.send()).kind, 'accepted')
})

test('a pool that is closed lets what runs end', async t => {
  const world = await aWorld(t)
  const { pool, origin, server } = world
  server.removeAllListeners('request')
  let answer = () => {}
  server.on('request', (request, response) => {
    request.resume()
    answer = () => response.end()
  })
  const running = send(pool, origin, [], 30_000)
  await once(server, 'request')
  pool.close()
  answer()
  assert.equal((await running).kind, 'accepted')
  await turns(20)
  const open = await new Promise(resolve => server.getConnections((_, count) => resolve(count)))
  assert.equal(open, 0)
})
