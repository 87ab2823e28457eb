// In a process of its own: it measures how long a turn of its event loop takes.
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { readRawBodies } from '../../src/http/json-body.ts'
import { LongTurn } from '../../src/server/long-turn.ts'
import { testServer } from '../support/server.ts'

/** A turn of which the test says how long it lasts. */
function aTurn(msMax: number) {
  let now = 1000
  const turn = new LongTurn(msMax, () => now)
  return {
    turn,
    /** As many as make a turn long. */
    many(): readonly boolean[] {
      return Array.from({ length: 64 }, () => turn.isTooLong())
    },
    pass(ms: number) {
      now += ms
    },
  }
}

test('a turn is too long once its first request is older than the limit, and the next one begins anew', async () => {
  const { turn, many, pass } = aTurn(200)
  assert.ok(!many().includes(true))
  pass(199)
  assert.equal(turn.isTooLong(), false)
  pass(1)
  assert.equal(turn.isTooLong(), true)
  await new Promise(resolve => setImmediate(resolve))
  assert.equal(turn.isTooLong(), false)
})

test('refusals that keep a turn going do not keep everything out: it accepts again after as long', () => {
  const { turn, many, pass } = aTurn(50)
  many()
  const verdicts: boolean[] = []
  // One turn: nothing here lets the event loop go on.
  for (let ms = 0; ms < 200; ms += 10) {
    verdicts.push(turn.isTooLong())
    pass(10)
  }
  const [no, yes] = [Array(5).fill(false), Array(5).fill(true)]
  assert.deepEqual(verdicts, [...no, ...yes, ...no, ...yes])
})

test('a turn with few requests is not long because of them, and refuses none', () => {
  const { turn, pass } = aTurn(20)
  const verdicts: boolean[] = []
  for (let request = 0; request < 60; request++) {
    verdicts.push(turn.isTooLong())
    pass(7)
  }
  assert.ok(!verdicts.includes(true))
})

test('a process that was busy with something else does not refuse for it', () => {
  const { turn, pass } = aTurn(20)
  pass(40)
  assert.equal(turn.isTooLong(), false)
})

/** Keeps the event loop busy. */
function work(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** All that came on a socket when it has brought a whole answer. */
function answerOn(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.removeAllListeners().on('error', reject)
    socket.on('data', chunk => {
      text += chunk.toString()
      if (/\r\n\r\n.*[}x]$/s.test(text)) resolve(text)
    })
  })
}

function ask(socket: Socket, request: string): Promise<string> {
  const answer = answerOn(socket)
  socket.write(request)
  return answer
}

test('when more events come at once than can be read soon, the later ones are refused and lose no connection', async () => {
  await using server = await testServer({
    registerIngest: (scope, { bodies }) => {
      readRawBodies(scope, bodies)
      scope.post('/ingest/:id', (_request, reply) => {
        work(25) // a slow machine
        return reply.code(202).send('x')
      })
    },
  })
  const sockets = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const socket = connect(server.port, '127.0.0.1')
      await new Promise(resolve => socket.once('connect', resolve))
      return socket
    }),
  )
  const event =
    'POST /ingest/1 HTTP/1.1\r\nhost: a\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi'
  // A turn of the loop takes one new connection, so all of them are in use before it gets crowded.
  const health = 'GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n'
  for (const socket of sockets) await ask(socket, health)
  const answers = sockets.map(answerOn)
  // The last one is an operator's.
  for (const socket of sockets.slice(0, -1)) socket.write(event)
  sockets.at(-1)?.write(health)
  const texts = await Promise.all(answers)
  assert.match(texts.at(-1) ?? '', /^HTTP\/1.1 200 /)
  const refused = texts.filter(text => text.startsWith('HTTP/1.1 503 '))
  const accepted = texts.filter(text => text.startsWith('HTTP/1.1 202 '))
  assert.equal(accepted.length + refused.length, 99)
  assert.ok(accepted.length >= 3, `${accepted.length} were accepted`)
  assert.ok(refused.length >= 20, `${refused.length} were refused`)
  for (const text of refused) {
    assert.match(text, /\r\nretry-after: [123]\r\n/i)
    assert.match(text, /"code":"overloaded"/)
  }
  const [first, last] = [sockets[0], sockets[98]]
  for (const socket of [first, last]) {
    assert.ok(socket)
    assert.match(await ask(socket, event), /^HTTP\/1.1 202 /, 'the same connection serves the next one')
  }
  for (const socket of sockets) socket.destroy()
})
