import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { Deadline } from '../../src/platform/deadline.ts'

const never = new Promise<never>(() => {})

test('work that ends in time is waited for', async () => {
  assert.equal(await new Deadline(5000).limit(Promise.resolve()), true)
})

test('work that does not end is not waited for', async () => {
  const deadline = new Deadline(20)
  assert.equal(await deadline.limit(never), false)
  assert.ok(deadline.leftMs < 2) // a timer may be early by a fraction of a millisecond
})

test('the error of work that fails in time is thrown', async () => {
  await assert.rejects(new Deadline(5000).limit(Promise.reject(new Error('it failed'))), /it failed/)
})

test('work that fails after the deadline troubles nobody', async () => {
  const { promise: late, reject } = Promise.withResolvers<void>()
  assert.equal(await new Deadline(1).limit(late), false)
  reject(new Error('too late to matter'))
  await new Promise(resolve => setImmediate(resolve)) // a rejection that nobody took would have failed this test by now
})

test('what becomes so in time is seen', async () => {
  let looks = 0
  assert.equal(await new Deadline(5000).waitFor(() => ++looks === 3), true)
  assert.equal(await new Deadline(15).waitFor(() => false), false)
})

/** Keeps the process from all else, as one that gets no processor. */
function standStill(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

test('what came in time is seen by a process that stood still meanwhile, whose timers are over first', async t => {
  const server = createServer(socket => socket.resume().on('error', () => {})).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const sender = connect((server.address() as AddressInfo).port, '127.0.0.1') // it listens on TCP
  t.after(() => sender.destroy())
  const [socket] = (await once(server, 'connection')) as [Socket] // as Node has it
  for (const wait of ['limit', 'waitFor'] as const) {
    const came = once(socket, 'data')
    let hasCome = false
    came.then(() => {
      hasCome = true
    })
    const deadline = new Deadline(20)
    const waiting = wait === 'limit' ? deadline.limit(came) : deadline.waitFor(() => hasCome)
    await new Promise(resolve => setImmediate(resolve)) // after it timers come first, then what has arrived
    sender.write('x')
    standStill(60)
    assert.equal(await waiting, true, wait)
  }
})

test('what is so already is seen even when no time is left', async () => {
  assert.equal(await new Deadline(0).waitFor(() => true), true)
})

test('an earlier deadline leaves less time, and never less than none', () => {
  const deadline = new Deadline(10_000)
  const { leftMs } = deadline.earlier(4000)
  assert.ok(leftMs <= 6000 && leftMs > 0, `${leftMs} ms are left`)
  assert.equal(deadline.earlier(20_000).leftMs, 0)
})
