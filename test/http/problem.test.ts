import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { pino } from 'pino'
import { AppError, errorCodes } from '../../src/errors.ts'
import { localOperator } from '../../src/model/caller.ts'
import { type TestAnswer, testServer } from '../support/server.ts'

const lines: string[] = []
const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(line) })
const server = await testServer({
  log,
  registerIngest: scope => {
    scope.post<{ Params: { id: string } }>('/ingest/:id', request => {
      const { id } = request.params
      if (id === 'fault') throw new Error('the inside of the service')
      if (id === 'odd') throw { statusCode: 418 }
      throw new AppError('overloaded', 'Too much at once.', { retryAfterSeconds: 7 })
    })
  },
})
after(() => server[Symbol.asyncDispose]())

function problem(answer: TestAnswer, status: number, code: string) {
  assert.equal(answer.status, status, answer.text)
  assert.equal(answer.headers.get('content-type'), 'application/problem+json')
  const body = answer.json as Record<string, unknown> // a problem is an object
  const { type, title, instance, detail } = body
  assert.equal(body.status, status)
  assert.equal(body.code, code)
  assert.equal(type, `/errors/${code}`)
  assert.match(String(title), /^[A-Z]/)
  assert.match(String(detail), /^[A-Z].*\.$/)
  assert.equal(instance, `urn:uuid:${answer.headers.get('x-request-id')}`)
  return body
}

/** Sends bytes as they are, and reads the answer until the server ends it. */
async function raw(text: string): Promise<TestAnswer> {
  const socket = connect(server.port, '127.0.0.1')
  socket.setEncoding('utf8')
  let answer = ''
  socket.on('data', chunk => {
    answer += chunk
  })
  socket.write(text)
  await once(socket, 'end')
  const [head = '', body = ''] = answer.split('\r\n\r\n')
  const [status = '', ...fields] = head.split('\r\n')
  const headers = new Headers(fields.map(field => field.split(': ') as [string, string])) // one colon each
  return { status: Number(status.split(' ')[1]), headers, text: body, json: JSON.parse(body) }
}

test('an unknown path is 404, whatever is sent to it', async () => {
  for (const path of ['/nothing', '/subscriptions/1/nothing', '/docs/static/nothing.js', '/%20']) {
    problem(await server.request(path), 404, 'not_found')
  }
  problem(await server.request('/nothing', { method: 'POST', body: 'x' }), 404, 'not_found')
})

test('a method that a path does not take is 405, and Allow names those it takes', async () => {
  for (const [path, method, allow] of [
    ['/subscriptions/', 'DELETE', 'GET, HEAD, POST'],
    ['/subscriptions', 'PUT', 'GET, HEAD, POST'],
    ['/subscriptions/1', 'POST', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['/ingest/1', 'GET', 'POST'],
    ['/livez', 'POST', 'GET, HEAD'],
    ['/livez', 'QUERY', 'GET, HEAD'],
    ['/', 'OPTIONS', 'GET, HEAD'],
  ] as const) {
    const answer = await server.request(path, { method })
    problem(answer, 405, 'method_not_allowed')
    assert.equal(answer.headers.get('allow'), allow)
  }
})

test('what is not JSON is 400, and says where', async () => {
  const headers = { 'content-type': 'application/json' }
  for (const body of ['', '{', '{"a":1,}', 'nothing', new Uint8Array([0x22, 0xff, 0x22])]) {
    problem(await server.request('/subscriptions/', { method: 'POST', headers, body }), 400, 'malformed_json')
  }
})

test('another content type than JSON is 415', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'nonsense']) {
    const headers = { 'content-type': type }
    const answer = await server.request('/subscriptions/', { method: 'POST', headers, body: '{}' })
    problem(answer, 415, 'unsupported_media_type')
  }
})

test('a body that is too large is 413, with and without Content-Length', async () => {
  const headers = { 'content-type': 'application/json' }
  const large = JSON.stringify('x'.repeat(70_000))
  const answer = await server.request('/subscriptions/', { method: 'POST', headers, body: large })
  problem(answer, 413, 'body_too_large')
  const size = large.length.toString(16)
  const chunked = await raw(
    'POST /subscriptions/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n' +
      `Transfer-Encoding: chunked\r\n\r\n${size}\r\n${large}\r\n0\r\n\r\n`,
  )
  problem(chunked, 413, 'body_too_large')
})

test('a wrong percent-encoding is 400', async () => {
  problem(await server.request('/subscriptions/%zz'), 400, 'malformed_request')
})

test('what is no HTTP is 400, and too long headers are 431', async () => {
  problem(await raw('HELLO\r\n\r\n'), 400, 'malformed_request')
  problem(
    await raw('GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n'),
    400,
    'malformed_request',
  )
  problem(
    await raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`),
    431,
    'headers_too_large',
  )
})

test('a fault shows nothing of itself, and is logged with its cause and the request id', async () => {
  const answer = await server.request('/ingest/fault', { method: 'POST' })
  const body = problem(answer, 500, 'internal')
  assert.doesNotMatch(answer.text, /inside/)
  const line = lines.find(text => text.includes('inside of the service')) ?? ''
  assert.ok(line.includes(String(body.instance).slice('urn:uuid:'.length)))
  assert.match(line, /problem\.test\.ts/)
})

test('an error of a kind that nobody foresaw is still a problem', async () => {
  problem(await server.request('/ingest/odd', { method: 'POST' }), 400, 'malformed_request')
})

test('503 says when to try again', async () => {
  const answer = await server.request('/ingest/1', { method: 'POST' })
  problem(answer, 503, 'overloaded')
  assert.equal(answer.headers.get('retry-after'), '7')
})

test('every kind of error has a page', async () => {
  for (const code of Object.keys(errorCodes)) {
    const answer = await server.request(`/errors/${code}`)
    assert.equal(answer.status, 200)
    assert.match(answer.text, new RegExp(`<code>${code}</code>`))
  }
  problem(await server.request('/errors/nothing'), 404, 'not_found')
})

test('no path, right or wrong, depends on a trailing slash', async () => {
  await server.subscriptions.create(localOperator, { target_url: 'https://example.com/' })
  for (const path of [
    '/subscriptions',
    '/subscriptions/1',
    '/logs/1',
    '/livez',
    '/readyz',
    '/healthz',
    '/docs',
    '/redoc',
    '/openapi.json',
    '/nothing',
  ]) {
    const [bare, slash] = await Promise.all([server.request(path), server.request(`${path}/`)])
    assert.equal(bare.status, slash.status, path)
  }
})

test('while it closes, a request that still comes on an open connection is answered, and the client asked to leave', async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>()
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
  const closing = await testServer({
    readiness: async () => {
      enter()
      await release
      return { ready: true, checks: {} }
    },
  })
  const socket = connect(closing.port, '127.0.0.1').setEncoding('utf8')
  // Two requests on one connection: the first holds it open, the second comes when the server is closing.
  socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n')
  await entered
  const closed = closing[Symbol.asyncDispose]()
  let answers = ''
  socket.on('data', chunk => {
    answers += chunk
  })
  const second = once(closing.app.server, 'request')
  socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await second
  resolve()
  await once(socket, 'end')
  await closed
  assert.match(answers, /^HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 200[\s\S]*connection: close/i)
})

test('closing waits for a running request, and not for the client to end its connection', async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>()
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>()
  const closing = await testServer({
    readiness: async () => {
      enter()
      await release
      return { ready: true, checks: {} }
    },
  })
  const socket = connect(closing.port, '127.0.0.1').setEncoding('utf8')
  socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n')
  await entered
  const closed = closing[Symbol.asyncDispose]()
  const answered = once(socket, 'data')
  resolve()
  assert.match(String(await answered), /^HTTP\/1\.1 200/)
  await closed // would take the 72 s of an idle connection
})
