import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Outcome } from '../../../src/model/outcome.ts'
import { connectionFree, httpDestination } from '../../support/http-destination.ts'

const interim = 'HTTP/1.1 100 Continue\r\n\r\n'
const final = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** What comes of requests, one after the other on one connection, to a server that answers each in these pieces. */
async function outcomesOf(
  t: TestContext,
  pieces: readonly string[],
  { requests = 1, timeoutMs = 30_000 } = {},
) {
  let connections = 0
  const server = createServer(socket => {
    connections++
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('data', async () => {
      for (const piece of pieces) {
        socket.write(piece)
        await sleep(15) // so that it comes alone
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const capture = { of: 'all', bodyBytesMax: 1000 } as const
  t.after(() => server.close())
  const { send } = httpDestination(t, { responseBytesMax: 1000, capture })
  const origin = `http://127.0.0.1:${port}`
  const outcomes: Outcome[] = []
  for (let n = 0; n < requests; n++) {
    outcomes.push(await send(origin, { timeoutMs }))
    await connectionFree()
  }
  return { outcomes, connections }
}

async function bodyOf(t: TestContext, ...pieces: readonly string[]): Promise<string> {
  const { outcomes } = await outcomesOf(t, pieces)
  const [outcome] = outcomes
  assert.equal(outcome?.kind, 'accepted', JSON.stringify(outcome))
  return String(outcome.exchange?.responseBody)
}

test('100 before the answer is passed over, in a piece of its own, in one with the answer, and twice', async t => {
  assert.equal(await bodyOf(t, interim, final), 'ok')
  assert.equal(await bodyOf(t, interim + final), 'ok')
  assert.equal(await bodyOf(t, interim, interim + final), 'ok')
  assert.equal(await bodyOf(t, `HTTP/1.1 100 Continue\r\nServer: x\r\n\r\n${final}`), 'ok')
})

test('wherever it is cut into pieces', async t => {
  for (const at of [1, 9, 12, 13, 20, interim.length - 1]) {
    assert.equal(await bodyOf(t, interim.slice(0, at), interim.slice(at) + final), 'ok', `cut at ${at}`)
  }
})

test('an answer that begins alike is left as it is', async t => {
  assert.equal(await bodyOf(t, 'HTTP/1.1 1', `02 Processing\r\n\r\n${final}`), 'ok')
  assert.equal(await bodyOf(t, 'HTTP', final.slice(4)), 'ok')
})

test('a body that looks like it is not touched', async t => {
  const length = interim.length * 2
  const head = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`
  assert.equal(await bodyOf(t, head, interim, interim), interim + interim)
})

test('the connection is used again, and the next answer is read in the same way', async t => {
  const { outcomes, connections } = await outcomesOf(t, [interim, final], { requests: 3 })
  assert.deepEqual(
    outcomes.map(({ kind }) => kind),
    ['accepted', 'accepted', 'accepted'],
  )
  assert.equal(connections, 1)
})

test('with nothing behind it, the deadline ends the attempt', async t => {
  const { outcomes } = await outcomesOf(t, [interim], { timeoutMs: 500 })
  assert.equal(outcomes[0]?.kind === 'unreachable' && outcomes[0].errorClass, 'timeout')
})
