import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { testServer } from '../support/server.ts'

/** Asks for the health, and gives the answer or what ended the connection. */
function ask(socket: Socket): Promise<string> {
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  const ended = once(socket, 'close').then(() => 'closed without an answer')
  return Promise.race([once(socket, 'data').then(String), ended]).catch(String)
}

const stays = /^HTTP\/1\.1 200[\s\S]*connection: keep-alive/i
const asksToLeave = /^HTTP\/1\.1 200[\s\S]*connection: close/i

test('a process that stands still while it asks its clients to leave answers what they have sent meanwhile', async () => {
  const drainMs = 1000
  const server = await testServer({ drainMs })
  const sockets = Array.from({ length: 21 }, () => connect(server.port, '127.0.0.1').setEncoding('utf8'))
  for (const socket of sockets) assert.match(await ask(socket), stays)
  const closed = server[Symbol.asyncDispose]()
  const [first, ...others] = sockets
  assert.ok(first)
  while (stays.test(await ask(first)));
  const answers = others.map(ask)
  const until = performance.now() + drainMs + 200
  while (performance.now() < until);
  for (const answer of await Promise.all(answers)) assert.match(answer, asksToLeave)
  await closed
})
