import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer, type ServerResponse } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { Outcome } from '../../../src/model/outcome.ts'
import { classOf, errorOf, httpDestination, type RequestOptions } from '../../support/http-destination.ts'
import { type Program, type Receiver, startReceiver } from '../../support/receiver.ts'

const headers = ['content-type', 'application/json', 'webhook-id', 'evt_1']
const refused = { kind: 'refused', errorClass: 'http', isFinal: false } as const

async function aReceiver(t: TestContext, program: Program): Promise<Receiver> {
  const receiver = await startReceiver(program)
  t.after(() => receiver.close())
  return receiver
}

async function sendTo(t: TestContext, program: Program, request: RequestOptions = {}): Promise<Outcome> {
  const receiver = await aReceiver(t, program)
  return httpDestination(t).send(receiver.origin, request)
}

/** Everything but the duration, which must be sane. */
function facts(outcome: Outcome): object {
  const { durationMs, ...rest } = outcome
  assert.ok(Number.isInteger(durationMs) && durationMs >= 0)
  return rest
}

test('every 2xx is a success', async t => {
  for (const status of [200, 201, 202, 204, 299]) {
    assert.deepEqual(facts(await sendTo(t, { status })), { kind: 'accepted', httpStatus: status })
  }
})

test('the request arrives as it was asked for: method, path, headers, and every byte', async t => {
  const receiver = await aReceiver(t, {})
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 256))
  await httpDestination(t).send(receiver.origin, { path: '/hook?x=1', headers, body: bytes })
  const [request] = receiver.received
  assert.equal(request?.method, 'POST')
  assert.equal(request?.path, '/hook?x=1')
  assert.equal(request?.headers['webhook-id'], 'evt_1')
  assert.equal(request?.headers['content-type'], 'application/json')
  assert.equal(request?.headers['content-length'], '100000')
  assert.equal(request?.headers['transfer-encoding'], undefined)
  assert.ok(request?.body.equals(bytes))
})

test('an empty body is sent with its length', async t => {
  const receiver = await aReceiver(t, {})
  await httpDestination(t).send(receiver.origin, { body: Buffer.alloc(0) })
  assert.equal(receiver.received[0]?.headers['content-length'], '0')
})

test('a refusal quotes what the receiver said, else its status line', async t => {
  const said = await sendTo(t, { status: 422, body: 'no such\r\norder\u0000!' })
  assert.deepEqual(facts(said), { ...refused, httpStatus: 422, error: 'no such order !' })
  const silent = await sendTo(t, { status: 503, statusText: 'Gone Fishing' })
  assert.deepEqual(facts(silent), {
    ...refused,
    kind: 'overloaded',
    httpStatus: 503,
    error: 'HTTP 503 Gone Fishing',
  })
})

test('a long refusal is quoted with 200 characters, cut between characters', async t => {
  const outcome = await sendTo(t, { status: 400, body: '😀'.repeat(5000) })
  assert.equal(errorOf(outcome), '😀'.repeat(200))
})

test('a redirect is not followed, and the log says where it pointed', async t => {
  const receiver = await aReceiver(t, { status: 307, headers: { location: '/elsewhere' } })
  const outcome = await httpDestination(t).send(receiver.origin)
  assert.deepEqual(facts(outcome), {
    ...refused,
    httpStatus: 307,
    error: 'redirect not followed, Location: /elsewhere',
  })
  assert.equal(receiver.received.length, 1)
})

test('a receiver that hangs fails when the time is over', async t => {
  const outcome = await sendTo(t, { fault: 'hang' }, { timeoutMs: 600 })
  assert.deepEqual(facts(outcome), {
    kind: 'unreachable',
    fault: 'receiver',
    errorClass: 'timeout',
    error: 'no complete answer within 600 ms',
  })
  assert.ok(outcome.durationMs >= 599)
})

test('a receiver that drips is cut off at the same time; its status stands', async t => {
  const accepted = await sendTo(t, { fault: 'drip' }, { timeoutMs: 1000 })
  assert.deepEqual(facts(accepted), { kind: 'accepted', httpStatus: 200 })
  const failed = await sendTo(t, { fault: 'drip', status: 500 }, { timeoutMs: 1000 })
  assert.equal(failed.kind, 'refused')
  for (const { durationMs } of [accepted, failed]) assert.ok(durationMs >= 999)
})

test('a receiver that is slow but in time is a success', async t => {
  const outcome = await sendTo(t, { delayMs: 100 })
  assert.equal(outcome.kind, 'accepted')
  assert.ok(outcome.durationMs >= 95)
})

test('an answer that came in time counts, though nothing ran here until its time was over', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-test-'))
  t.after(() => rm(folder, { recursive: true }))
  const answered = join(folder, 'answered')
  const script = `require('node:http').createServer((request, response) => {
    request.resume().on('end', () => {
      console.log('received')
      setTimeout(() => response.end(() => require('node:fs').writeFileSync(process.argv[1], '')), 150)
    })
  }).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`
  const receiver = spawn(process.execPath, ['-e', script, answered], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => receiver.kill())
  const [port] = await once(receiver.stdout, 'data')
  const { send } = httpDestination(t)
  const timeoutMs = 1500
  const until = performance.now() + timeoutMs + 200
  const sending = send(`http://127.0.0.1:${Number(port)}`, { timeoutMs })
  await once(receiver.stdout, 'data') // it has arrived
  await new Promise(resolve => setImmediate(resolve)) // what comes next is timers, before sockets
  while (performance.now() < until || !existsSync(answered));
  assert.equal((await sending).kind, 'accepted')
})

test('a connection that is reset unanswered fails', async t => {
  const outcome = await sendTo(t, { fault: 'reset' })
  assert.ok(outcome.kind === 'unreachable')
  assert.equal(outcome.errorClass, 'connect')
  assert.match(outcome.error, /ECONNRESET|other side closed/)
})

test('a connection that is reset after the status line leaves the status standing', async t => {
  const accepted = await sendTo(t, { fault: 'reset-after-status', status: 201 })
  assert.deepEqual(facts(accepted), { kind: 'accepted', httpStatus: 201 })
  const failed = await sendTo(t, { fault: 'reset-after-status', status: 500, body: 'it broke' })
  assert.deepEqual(facts(failed), { ...refused, httpStatus: 500, error: 'it broke' })
})

test('an answer that is not HTTP fails as invalid', async t => {
  const outcome = await sendTo(t, { fault: 'garbage' })
  assert.ok(outcome.kind === 'unreachable')
  assert.equal(outcome.errorClass, 'invalid')
})

test('a port where nobody listens fails at once', async t => {
  const receiver = await startReceiver()
  await receiver.close()
  const outcome = await httpDestination(t).send(receiver.origin)
  assert.ok(outcome.kind === 'unreachable')
  assert.equal(outcome.errorClass, 'connect')
  assert.match(outcome.error, /ECONNREFUSED/)
})

test('a host that does not exist fails as dns', async t => {
  const outcome = await httpDestination(t).send('http://no-such-host.invalid')
  assert.ok(outcome.kind === 'unreachable')
  assert.equal(outcome.errorClass, 'dns')
})

test('a receiver that does not speak TLS fails as tls', async t => {
  const receiver = await aReceiver(t, {})
  const outcome = await httpDestination(t).send(receiver.origin.replace('http:', 'https:'))
  assert.ok(outcome.kind === 'unreachable')
  assert.equal(outcome.errorClass, 'tls', outcome.error)
})

test('a receiver that takes the connection and says nothing holds nobody beyond the deadline', async t => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.after(() => silent.close())
  const { port } = silent.address() as AddressInfo // it listens on TCP
  const outcome = await httpDestination(t).send(`http://127.0.0.1:${port}`, { timeoutMs: 80 })
  assert.equal(classOf(outcome), 'timeout')
})

test('no more of an answer is read than the limit, and its status stands', async t => {
  const endless = Buffer.alloc(20_000_000, 'x')
  const receiver = await aReceiver(t, (_, index) => ({ status: index === 0 ? 200 : 500, body: endless }))
  const { send } = httpDestination(t, { responseBytesMax: 1000 })
  assert.deepEqual(facts(await send(receiver.origin)), { kind: 'accepted', httpStatus: 200 })
  const second = await send(receiver.origin)
  assert.deepEqual(facts(second), { ...refused, httpStatus: 500, error: 'x'.repeat(200) })
  assert.equal(receiver.connections, 2, 'the connection with the rest of the answer is given up')
})

test('headers beyond what is read of them fail as invalid', async t => {
  const outcome = await sendTo(t, { headers: { 'x-long': 'x'.repeat(15_000), 'x-more': 'x'.repeat(15_000) } })
  assert.equal(classOf(outcome), 'invalid')
})

test('a connection is used again', async t => {
  const receiver = await aReceiver(t, {})
  const { send } = httpDestination(t)
  for (let n = 0; n < 3; n++) {
    await send(receiver.origin)
    // The outcome is known a moment before the connection is free for the next request.
    await new Promise(resolve => setImmediate(resolve))
  }
  assert.equal(receiver.connections, 1)
})

test('as many connections are opened as requests run at once', async t => {
  const waiting: ServerResponse[] = []
  const server = createHttpServer((request, response) => {
    request.resume()
    waiting.push(response)
    if (waiting.length === 5) for (const each of waiting) each.end() // nobody is answered before all are there
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const { send } = httpDestination(t)
  const request = { timeoutMs: 30_000 }
  const outcomes = await Promise.all(
    Array.from({ length: 5 }, () => send(`http://127.0.0.1:${port}`, request)),
  )
  assert.ok(outcomes.every(({ kind }) => kind === 'accepted'))
})

test('an origin that is none is an outcome too, not an exception', async t => {
  const outcome = await httpDestination(t).send('ftp://127.0.0.1')
  assert.equal(classOf(outcome), 'invalid')
})

test('closing ends what still runs', async t => {
  const receiver = await aReceiver(t, { fault: 'hang' })
  const { destination, send } = httpDestination(t)
  const running = send(receiver.origin)
  await receiver.waitFor(1)
  await destination.close()
  assert.deepEqual(facts(await running), {
    kind: 'unreachable',
    fault: 'ours',
    errorClass: 'timeout',
    error: 'the service is stopping',
  })
})

// Measured once with 20,000 origins, each a name of its own, and the receiver in another process: resident memory grew
// from 105 MB to 299 MB over the first 6,000 and to 302 MB by the last, with never more than 1,024 sockets open.
test('more origins than there are pools for keep no more pools and sockets than that', async t => {
  const server = createHttpServer((request, response) => {
    request.resume()
    response.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo // it listens on TCP
  const { send } = httpDestination(t)
  for (let first = 0; first < 1100; first += 100) {
    const origins = Array.from({ length: 100 }, (_, index) => `http://h${first + index}.localhost:${port}`)
    const outcomes = await Promise.all(origins.map(origin => send(origin)))
    assert.ok(outcomes.every(({ kind }) => kind === 'accepted'))
  }
  const open = await promisify(server.getConnections.bind(server))()
  assert.ok(open <= 1024, `${open} connections are open`)
})
