import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { HostCheck } from '../../src/server/host-check.ts'
import { eventually } from '../support/eventually.ts'
import { type TestServer, testServer } from '../support/server.ts'

const server = await testServer()
after(() => server[Symbol.asyncDispose]())

/** Sends bytes as they are, and reads until the server ends the connection. */
async function raw(text: string, to: TestServer = server): Promise<string> {
  const socket = connect(to.port, '127.0.0.1').setEncoding('utf8')
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(text)
  await once(socket, 'end')
  return answer
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

test('every answer has an id of its request', async () => {
  const ids = new Set<string>()
  for (const [method, path] of [
    ['POST', '/ingest/1'],
    ['GET', '/ingest/1'],
    ['GET', '/'],
    ['GET', '/livez'],
    ['HEAD', '/livez'],
    ['GET', '/readyz'],
    ['GET', '/docs'],
    ['GET', '/docs/static/swagger-ui.css'],
    ['GET', '/docs/static/nothing'],
    ['GET', '/redoc'],
    ['GET', '/redoc/redoc.standalone.js'],
    ['GET', '/openapi.json'],
    ['GET', '/errors/internal'],
    ['GET', '/subscriptions/'],
    ['POST', '/subscriptions/'],
    ['GET', '/system'],
    ['GET', '/nothing'],
    ['DELETE', '/'],
    ['PROPFIND', '/'],
    ['GET', '/%zz'],
    ['GET', `/${'x'.repeat(9000)}`],
  ] as const) {
    const { headers } = await server.request(path, { method })
    const id = headers.get('x-request-id') ?? ''
    assert.match(id, uuid, `${method} ${path.slice(0, 40)}`)
    ids.add(id)
  }
  assert.equal(ids.size, 21)
})

test('an answer to a cached page has one too', async () => {
  const { headers } = await server.request('/docs/static/swagger-ui.css')
  const again = await server.request('/docs/static/swagger-ui.css', {
    // Without the second one, fetch asks for a fresh copy.
    headers: { 'if-none-match': headers.get('etag') ?? '', 'cache-control': 'max-age=0' },
  })
  assert.equal(again.status, 304)
  assert.match(again.headers.get('x-request-id') ?? '', uuid)
})

test('what Node would answer by itself, without words, or take for good, is a problem with an id', async () => {
  for (const [request, status] of [
    ['GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['GET /livez HTTP/1.1\r\nHost: localhost\r\nhost: localhost\r\nConnection: close\r\n\r\n', 400],
    ['CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n', 400],
    ['HELLO\r\n\r\n', 400],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ] as const) {
    const answer = await raw(request)
    assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `))
    const id = /\r\nx-request-id: (\S+)\r\n/i.exec(answer)?.[1] ?? ''
    assert.match(id, uuid)
    assert.ok(answer.includes(`"instance":"urn:uuid:${id}"`))
  }
})

test('an expectation that is not known is ignored', async () => {
  const answer = await raw('GET /livez HTTP/1.1\r\nHost: localhost\r\nExpect: x\r\nConnection: close\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 200 /)
})

test('HTTP/1.0 needs no Host header', async () => {
  assert.match(await raw('GET /livez HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200 /)
})

const expecting =
  'HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 38\r\nExpect: 100-continue\r\n'

test('a client that asks before it sends its body is told to go on only where the body is read', async () => {
  const body = '{"target_url":"https://example.com/x"}'
  assert.equal(body.length, 38)
  const socket = connect(server.port, '127.0.0.1').setEncoding('utf8')
  socket.write(`POST /subscriptions/ ${expecting}\r\n`)
  assert.equal(String(await once(socket, 'data')), 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write(body)
  assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 201 /)
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
  assert.match(
    String(await once(socket, 'data')),
    /^HTTP\/1\.1 200 /,
    'the connection serves the next request',
  )
  socket.destroy()
  await using keyed = await testServer({ keys: { identify: async () => undefined } })
  const refused = await raw(`POST /subscriptions/ ${expecting}\r\n`, keyed)
  assert.match(refused, /^HTTP\/1\.1 401 [\s\S]*\r\nconnection: close\r\n/i)
})

test('without keys, a request under a foreign name is refused before anything else sees it', async () => {
  await using open = await testServer({ hostCheck: new HostCheck({ boundTo: '127.0.0.1', allowed: [] }) })
  const ask = (host: string, rest = '') =>
    raw(`GET /subscriptions/ HTTP/1.1\r\nHost: ${host}\r\n${rest}Connection: close\r\n\r\n`, open)
  assert.match(await ask('localhost'), /^HTTP\/1\.1 200 /)
  assert.match(await ask('evil.example'), /^HTTP\/1\.1 403 [\s\S]*"code":"host_not_allowed"/)
  assert.match(
    await ask('localhost', 'Origin: https://evil.example\r\n'),
    /^HTTP\/1\.1 403 [\s\S]*"code":"origin_not_allowed"/,
  )
})

test('there are never more connections than are allowed, and a new one is served all the same', async () => {
  await using small = await testServer({ connectionsMax: 16 })
  const sockets = Array.from({ length: 40 }, () => connect(small.port, '127.0.0.1').on('error', () => {}))
  const isOpen = () => sockets.filter(socket => !socket.closed).length
  await eventually(isOpen, open => open === 16)
  assert.equal((await small.request('/livez')).status, 200)
  for (const socket of sockets) socket.destroy()
})

test('while all connections are at work, a new one hears when to try again', async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>()
  let entered = 0
  await using busy = await testServer({
    connectionsMax: 16,
    readiness: async () => {
      entered++
      await release
      return { ready: true, checks: {} }
    },
  })
  const sockets = Array.from({ length: 16 }, () => connect(busy.port, '127.0.0.1'))
  const answers = sockets.map(socket => once(socket, 'data'))
  for (const socket of sockets) socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await eventually(() => entered === 16)
  const answer = await raw('', busy)
  assert.match(answer, /^HTTP\/1\.1 503 [\s\S]*\r\nretry-after: [123]\r\n/i)
  resolve()
  for (const [text] of await Promise.all(answers)) assert.match(String(text), /^HTTP\/1\.1 200 /)
  for (const socket of sockets) socket.destroy()
})

test('requests that are sent ahead are begun one after the other, and answered in order', async () => {
  const asked: (() => void)[] = []
  await using slow = await testServer({
    readiness: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      asked.push(resolve)
      await promise
      return { ready: true, checks: { [`request ${asked.length}`]: 'ok' } }
    },
  })
  const socket = connect(slow.port, '127.0.0.1').setEncoding('utf8')
  let answer = ''
  socket.on('data', text => {
    answer += text
  })
  socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(3))
  for (const turn of [1, 2, 3]) {
    await eventually(() => asked.length === turn)
    // Any other that came with it would have been begun before this one, which comes later, is answered.
    assert.equal((await slow.request('/livez')).status, 200)
    assert.equal(asked.length, turn)
    asked[turn - 1]?.()
    await eventually(() => answer.includes(`"request ${turn}"`))
  }
  assert.equal(answer.match(/HTTP\/1\.1 200 /g)?.length, 3)
  socket.destroy()
})

test('of too many that are sent ahead the first are answered, and then the connection ends', async () => {
  const answer = await raw('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(100))
  assert.equal(answer.match(/HTTP\/1\.1 200 /g)?.length, 33)
  assert.equal(answer.match(/connection: close/gi)?.length, 1)
})

test('CONNECT behind a request is no answer to it', async () => {
  const socket = connect(server.port, '127.0.0.1').setEncoding('utf8')
  socket.on('error', () => {})
  let answer = ''
  socket.on('data', text => {
    answer += text
  })
  socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\nCONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n')
  await new Promise(resolve => socket.on('close', resolve))
  assert.doesNotMatch(answer, /^HTTP\/1\.1 400/)
})

test('a request that something follows which is none gets its own answer, and the connection ends', async () => {
  const making = '{"target_url":"https://example.com/followed"}'
  const made = await raw(
    `POST /subscriptions/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${making.length}\r\n\r\n${making}\r\n{"more":1}`,
  )
  assert.match(made, /^HTTP\/1\.1 201 [\s\S]*\r\nconnection: close\r\n/i)
  assert.equal(made.match(/HTTP\/1\.1 /g)?.length, 1)
  // As Node sends it: a body that no header tells of.
  const id = /"id":(\d+)/.exec(made)?.[1]
  const removed = await raw(
    `DELETE /subscriptions/${id} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\r\n{"why":"old"}`,
  )
  assert.match(removed, /^HTTP\/1\.1 204 /)
  assert.equal(removed.match(/HTTP\/1\.1 /g)?.length, 1)
})

test('a request whose own body cannot be read is refused', async () => {
  const chunks = 'POST /ingest/1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnone'
  assert.match(await raw(chunks), /^HTTP\/1\.1 400 /)
  const ahead = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'
  assert.match(await raw(ahead + chunks), /^HTTP\/1\.1 200 /)
})

test('a client that sends ahead without end is disconnected', async () => {
  let entered = 0
  await using slow = await testServer({
    readiness: () => {
      entered++
      return new Promise(() => {})
    },
  })
  const socket = connect(slow.port, '127.0.0.1').on('error', () => {})
  const closed = once(socket, 'close')
  socket.resume().write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(1000))
  await closed
  assert.equal(entered, 1)
})

test('bodies that never end make way for others, and their senders are told', async () => {
  await using small = await testServer({ arrivingBytesMax: 65_536 })
  const begin = () => {
    const socket = connect(small.port, '127.0.0.1').setEncoding('utf8')
    socket.write('POST /ingest/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 40000\r\n\r\n')
    socket.write('x'.repeat(30_000))
    return socket
  }
  const first = begin()
  const answered = once(first, 'data')
  const others = [begin(), begin()]
  assert.match(String(await answered), /^HTTP\/1\.1 503 [\s\S]*\r\nconnection: close\r\n/i)
  const [last] = others.slice(-1)
  const done = last && once(last, 'data')
  last?.write('x'.repeat(10_000))
  assert.match(String(await done), /^HTTP\/1\.1 202 /)
  for (const socket of [first, ...others]) socket.destroy()
})
