import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { Connections } from '../../src/server/connections.ts'

/** Sockets of which only address and end matter here; the real ones are in http-server.test.ts. */
function world(max: number) {
  const connections = new Connections(max)
  const gone: string[] = []
  const open = (name: string, remoteAddress: string) => {
    const socket = Object.assign(new EventEmitter(), {
      remoteAddress,
      destroy() {
        gone.push(name)
        socket.emit('close')
      },
    })
    return { socket, taken: connections.open(socket as unknown as Socket) }
  }
  const begin = (
    socket: EventEmitter,
    state: { readonly complete: boolean; readonly writableEnded: boolean },
    work = () => {},
    headers: Readonly<Record<string, string>> = {},
  ) => {
    const response = Object.assign(new EventEmitter(), {
      req: { complete: state.complete, headers },
      headersSent: false,
      shouldKeepAlive: true,
      writableEnded: state.writableEnded,
      socket: socket as EventEmitter | null,
    })
    connections.begin(socket as unknown as Socket, response as unknown as ServerResponse, work)
    return response
  }
  return { connections, gone, open, begin }
}

const working = { complete: true, writableEnded: false }

test('one client may have all connections while nobody else needs one', () => {
  const { connections, open } = world(16)
  for (let n = 0; n < 16; n++) assert.ok(open(`${n}`, '192.0.2.1').taken)
  assert.equal(connections.size, 16)
})

test('a new connection takes the place of the one that has been idle longest', () => {
  const { connections, gone, open } = world(16)
  for (let n = 0; n < 16; n++) open(`${n}`, '192.0.2.1')
  assert.ok(open('new', '192.0.2.1').taken)
  assert.deepEqual(gone, ['0'])
  assert.equal(connections.size, 16)
})

test('the client with most connections makes way, also for one that has few', () => {
  const { gone, open } = world(16)
  open('few', '192.0.2.1')
  for (let n = 0; n < 15; n++) open(`many ${n}`, '192.0.2.2')
  assert.ok(open('another', '192.0.2.3').taken)
  assert.deepEqual(gone, ['many 0'])
})

test('who has many takes no place of those who have few', () => {
  const { gone, open, begin } = world(16)
  for (let n = 0; n < 15; n++) begin(open(`many ${n}`, '192.0.2.2').socket, working)
  open('few', '192.0.2.1')
  assert.equal(open('one more', '192.0.2.2').taken, false)
  assert.deepEqual(gone, [])
})

test('a connection whose request is being worked on is never closed', () => {
  const { gone, open, begin } = world(16)
  const sockets = Array.from({ length: 16 }, (_, n) => open(`${n}`, '192.0.2.1').socket)
  const responses = sockets.map(socket => begin(socket, working))
  assert.equal(open('new', '192.0.2.1').taken, false)
  assert.deepEqual(gone, [])
  responses[7]?.emit('close')
  assert.ok(open('new', '192.0.2.1').taken, 'once one is idle')
  assert.deepEqual(gone, ['7'])
})

test('who does not send the rest of a request, or does not read its answer, makes way', () => {
  for (const state of [
    { complete: false, writableEnded: false },
    { complete: true, writableEnded: true },
  ]) {
    const { gone, open, begin } = world(16)
    for (let n = 0; n < 15; n++) begin(open(`${n}`, '192.0.2.1').socket, working)
    begin(open('slow', '192.0.2.1').socket, state)
    assert.ok(open('new', '192.0.2.1').taken)
    assert.deepEqual(gone, ['slow'])
  }
})

test('a connection that ends makes room', () => {
  const { connections, gone, open } = world(16)
  const sockets = Array.from({ length: 16 }, (_, n) => open(`${n}`, '192.0.2.1').socket)
  sockets[3]?.emit('close')
  assert.equal(connections.size, 15)
  assert.ok(open('new', '192.0.2.1').taken)
  assert.deepEqual(gone, [])
})

test('one that was opened ahead of its need is closed after a while, and no other is', t => {
  let now = 0
  t.mock.method(performance, 'now', () => now)
  const { connections, gone, open, begin } = world(16)
  const unused = open('unused', '192.0.2.1').socket
  const used = open('used', '192.0.2.1').socket
  const busy = open('busy', '192.0.2.1').socket
  Object.assign(unused, { bytesRead: 0 })
  Object.assign(used, { bytesRead: 100 })
  Object.assign(busy, { bytesRead: 0 })
  begin(busy, working)
  connections.closeUnused(1000)
  assert.deepEqual(gone, [])
  now = 1001
  connections.closeUnused(1000)
  assert.deepEqual(gone, ['unused'])
})

test('what was sent ahead of an answer that ends the connection is not begun', () => {
  const { open, begin } = world(16)
  const { socket } = open('one', '192.0.2.1')
  const begun: string[] = []
  const first = begin(socket, working, () => begun.push('first'))
  const second = begin(socket, working, () => begun.push('second'))
  const third = begin(socket, working, () => begun.push('third'))
  first.emit('close')
  assert.deepEqual(begun, ['first', 'second'])
  third.socket = null // Node gives it none once an answer said `Connection: close`.
  second.emit('close')
  assert.deepEqual(begun, ['first', 'second'])
})

test('the bodies of all that wait have one bound: who sends more ahead is answered for what waits, and no further', () => {
  const { gone, open, begin } = world(16)
  const large = { 'content-length': '200000' } // of which Node reads 128 KiB
  const begun: number[] = []
  const all = [0, 1, 2, 3].map(n => {
    const { socket } = open(`${n}`, '192.0.2.1')
    return [
      begin(socket, working),
      ...Array.from({ length: 32 }, () => begin(socket, working, () => begun.push(n), large)),
    ]
  })
  const { socket } = open('late', '192.0.2.1')
  const first = begin(socket, working)
  const second = begin(socket, working, () => begun.push(9), large)
  assert.equal(first.shouldKeepAlive, false, 'there is no room for the second one')
  first.emit('close')
  assert.deepEqual([begun, second.shouldKeepAlive], [[], true])
  for (const response of all[0] ?? []) response.emit('close')
  assert.equal(begun.length, 32)
  const { socket: next } = open('next', '192.0.2.1')
  const before = begin(next, working)
  begin(next, working, () => begun.push(8), { 'transfer-encoding': 'chunked' })
  before.emit('close')
  assert.equal(begun.at(-1), 8, 'what has had its turn makes room')
  assert.deepEqual(gone, [])
})
