import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { runTail } from '../../src/cli/tail.ts'
import { eventually } from '../support/eventually.ts'

/** A service of which only the stream is there. */
async function aService(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
) {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { requests, port: String((server.address() as AddressInfo).port) } // it listens on TCP
}

function tail(args: readonly string[], environment: Record<string, string>) {
  const stop = new AbortController()
  const [out, err]: [string[], string[]] = [[], []]
  const io = { out: (text: string) => out.push(text), err: (text: string) => err.push(text), environment }
  const running = runTail(args, io, stop.signal)
  return {
    ...{ out, err, running },
    async stop() {
      stop.abort()
      return running
    },
  }
}

const event = (id: string) =>
  `event: accepted\nid: ${id}\ndata: {"webhook_id":"${id}","size_bytes":1,"deliveries":1}\n\n`

function streams(response: ServerResponse): ServerResponse {
  return response.writeHead(200, { 'content-type': 'text/event-stream' })
}

test('it shows each event as a line, and asks for what the options say', async t => {
  const { port, requests } = await aService(t, (_request, response) => streams(response).write(event('e1')))
  const { out, stop } = tail(['--type', 'order.*', '--subscription', '7', '--after', 'e0'], {
    PORT: port,
    API_KEY: 'k',
  })
  await eventually(() => out.length === 1)
  assert.match(out[0] ?? '', /event e1 accepted/)
  assert.equal(await stop(), 0)
  const [request] = requests
  assert.equal(request?.url, '/stream?subscription_id=7&event_type=order.*')
  assert.equal(request?.headers.authorization, 'Bearer k')
  assert.equal(request?.headers['last-event-id'], 'e0')
})

test('when the connection ends it goes on after the last id', async t => {
  let answers = 0
  const { port, requests } = await aService(t, (_request, response) => {
    streams(response).write(event(`e${++answers}`))
    if (answers === 1) response.end(':\nid: e1a\n\n')
  })
  const { out, stop } = tail(['--json'], { PORT: port })
  await eventually(() => out.length === 2)
  await stop()
  assert.deepEqual(
    out.map(line => JSON.parse(line).id),
    ['e1', 'e2'],
  )
  assert.equal(requests[1]?.headers['last-event-id'], 'e1a')
})

test('a refusal ends it with what the service says; one that passes does not', async t => {
  let answers = 0
  const { port } = await aService(t, (_request, response) => {
    response.writeHead(++answers === 1 ? 503 : 403).end('{"detail":"Not with this key."}')
  })
  const { err, running } = tail([], { PORT: port })
  assert.equal(await running, 1)
  assert.match(err[0] ?? '', /no connection \(the service answers 503/)
  assert.match(err[1] ?? '', /answers 403 Not with this key\./)
})

test('it has the key of the first start, where that can be read', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-tail-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'first-api-key'), 'whk_first\n')
  const { port, requests } = await aService(t, (_request, response) => void streams(response).flushHeaders())
  const { stop } = tail([], { PORT: port, DATA_DIR: folder })
  await eventually(() => requests.length === 1)
  await stop()
  assert.equal(requests[0]?.headers.authorization, 'Bearer whk_first')
})

test('wrong arguments are said, with how it is used', async () => {
  for (const args of [
    ['--colour', 'red'],
    ['http://a', 'http://b'],
  ]) {
    const { err, running } = tail(args, { PORT: '8000' })
    assert.equal(await running, 2)
    assert.match(err.join(''), /Usage: webhooks tail/)
  }
  const { err, running: refused } = tail(['localhost:8000'], {})
  assert.equal(await refused, 2)
  assert.match(err.join(''), /Give it whole, such as http:\/\/localhost:8000/)
  const { out, running } = tail(['--help'], {})
  assert.equal(await running, 0)
  assert.match(out.join(''), /--status STATUS/)
})
