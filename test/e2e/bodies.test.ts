import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { after, test } from 'node:test'
import { brotliCompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, testService } from '../support/service.ts'

// Bodies as senders that nobody here can change send them: they arrive as they came.

const receiver = await startReceiver()
const world = await testService()
const api = client(world.url)
const subscription = await api.subscribe({ target_url: receiver.origin })
after(async () => {
  await world[Symbol.asyncDispose]()
  await receiver[Symbol.asyncDispose]()
})

type Lines = readonly string[]

/** Sends a request as bytes, so that every header is as a test says, and reads the answer. */
async function send(path: string, headers: Lines, body: Buffer, framing?: 'chunked'): Promise<string> {
  const length = framing === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${body.length}`
  const lines = [`POST ${path} HTTP/1.1`, 'Host: localhost', 'Connection: close', length, ...headers, '', '']
  const chunk = Buffer.concat([Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')])
  const sent =
    framing !== 'chunked' ? body : Buffer.concat([body.length > 0 ? chunk : body, Buffer.from('0\r\n\r\n')])
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
  let answer = ''
  socket.setEncoding('utf8').on('data', text => {
    answer += text
  })
  // Bytes, not text: a header can hold any of them.
  socket.write(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), sent]))
  await once(socket, 'end')
  return answer
}

const json = 'Content-Type: application/json'
const text = Buffer.from('{"total": 12}')
const boundary = '----x'
const form = Buffer.from(
  `--${boundary}\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--${boundary}--\r\n`,
)

const rows: readonly {
  readonly what: string
  readonly headers: Lines
  readonly body: Buffer
  readonly framing?: 'chunked'
  /** What the receiver gets of the two headers; `application/octet-stream` and nothing unless said. */
  readonly type?: string
  readonly coding?: string
}[] = [
  {
    what: 'gzip',
    headers: [json, 'Content-Encoding: gzip'],
    body: gzipSync(text),
    type: 'application/json',
    coding: 'gzip',
  },
  {
    what: 'Brotli in chunks',
    headers: [json, 'Content-Encoding: br'],
    body: brotliCompressSync(text),
    framing: 'chunked',
    type: 'application/json',
    coding: 'br',
  },
  {
    what: 'a coding twice',
    headers: [json, 'Content-Encoding: gzip', 'Content-Encoding: gzip'],
    body: gzipSync(gzipSync(text)),
    type: 'application/json',
    coding: 'gzip, gzip',
  },
  {
    what: 'a charset given as a coding',
    headers: [json, 'Content-Encoding: UTF-8'],
    body: text,
    type: 'application/json',
    coding: 'UTF-8',
  },
  {
    what: 'a byte order mark',
    headers: [json],
    body: Buffer.from('\ufeff{"value":[]}'),
    type: 'application/json',
  },
  { what: 'JSON without bytes', headers: [json], body: Buffer.alloc(0), type: 'application/json' },
  {
    what: 'JSON without bytes, in chunks',
    headers: [json],
    body: Buffer.alloc(0),
    framing: 'chunked',
    type: 'application/json',
  },
  {
    what: 'another charset',
    headers: ['Content-Type: application/json; charset=iso-8859-1'],
    body: Buffer.from('"\xe9"', 'latin1'),
    type: 'application/json; charset=iso-8859-1',
  },
  {
    what: 'another kind of JSON',
    headers: ['Content-Type: application/vnd.example.v2+json; charset="utf-8"'],
    body: text,
    type: 'application/vnd.example.v2+json; charset="utf-8"',
  },
  { what: 'no content type', headers: [], body: text },
  { what: 'no content type, in chunks', headers: [], body: text, framing: 'chunked' },
  { what: 'an empty content type', headers: ['Content-Type:'], body: text },
  { what: 'a content type that is none', headers: ['Content-Type: json'], body: text, type: 'json' },
  {
    what: 'two content types in one',
    headers: ['Content-Type: application/json, application/json'],
    body: text,
    type: 'application/json, application/json',
  },
  {
    what: 'two content types',
    headers: [json, 'Content-Type: text/plain'],
    body: text,
    type: 'application/json',
  },
  {
    what: 'bytes',
    headers: ['Content-Type: application/octet-stream'],
    body: Buffer.from([0, 255]),
    type: 'application/octet-stream',
  },
  {
    what: 'a form',
    headers: ['Content-Type: application/x-www-form-urlencoded'],
    body: Buffer.from('a=1&b=%20'),
    type: 'application/x-www-form-urlencoded',
  },
  {
    what: 'a form of parts',
    headers: [`Content-Type: multipart/form-data; boundary=${boundary}`],
    body: form,
    type: `multipart/form-data; boundary=${boundary}`,
  },
  {
    what: 'XML in another charset',
    headers: ['Content-Type: text/xml; charset=iso-8859-1'],
    body: Buffer.from('<?xml version="1.0" encoding="iso-8859-1"?>\r\n<a>\xe9</a>', 'latin1'),
    type: 'text/xml; charset=iso-8859-1',
  },
  {
    what: 'UTF-16 that says so by its mark',
    headers: [json],
    body: Buffer.from('\ufeff{"a":1}', 'utf16le'),
    type: 'application/json',
  },
  {
    what: 'every byte there is',
    headers: ['Content-Type: image/x-any'],
    body: Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    type: 'image/x-any',
  },
  {
    what: 'a form without fields',
    headers: ['Content-Type: application/x-www-form-urlencoded'],
    body: Buffer.alloc(0),
    type: 'application/x-www-form-urlencoded',
  },
  {
    what: 'a question before the body',
    headers: [json, 'Expect: 100-continue'],
    body: text,
    type: 'application/json',
  },
]

const source = await fetch(`${world.url}/sources`, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: '{"name":"any","preset":"none"}',
})
const { url: sourceUrl } = (await source.json()) as { url: string } // as openapi.json has it

/** To one subscription, to all that want it, and as a provider sends. */
const ways = [
  { path: `/ingest/${subscription.id}`, name: '/ingest' },
  { path: '/events', name: '/events' },
  { path: new URL(sourceUrl).pathname, name: '/in' },
]
const trials = ways.flatMap(way => rows.map(row => ({ way, ...row })))

for (const { way, what, headers, body, framing, type = 'application/octet-stream', coding } of trials) {
  test(`what came to ${way.name} is what goes: ${what}`, async () => {
    const before = receiver.received.length
    const answer = await send(way.path, headers, body, framing)
    assert.match(answer, /^(HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 20[02] /)
    await receiver.waitFor(before + 1)
    const got = receiver.received[before]
    assert.ok(got)
    assert.ok(got.body.equals(body), got.body.toString('hex'))
    assert.equal(got.headers['content-type'], type)
    assert.equal(got.headers['content-encoding'], coding)
  })
}

test('the signature is of the bytes that go, and the coding survives a retry', async () => {
  await using failing = await startReceiver((_request, index) => (index === 0 ? { status: 500 } : {}))
  const { id, signing_secret } = await api.subscribe({ target_url: failing.origin, secret: 'mysecret' })
  const body = gzipSync(text)
  const signature = createHmac('sha256', 'mysecret').update(body).digest('hex')
  const headers = { 'content-encoding': 'gzip', 'x-hub-signature-256': `sha256=${signature}` }
  const webhookId = await api.ingest(id, body, headers)
  await eventually(
    () => api.logs(id),
    logs => logs.length === 1,
  )
  world.clock.advance(10_000)
  await failing.waitFor(2)
  for (const got of failing.received) {
    assert.equal(got.headers['content-encoding'], 'gzip')
    assert.equal(gunzipSync(got.body).toString(), text.toString())
    const key = Buffer.from(signing_secret.slice('whsec_'.length), 'base64')
    const signed = createHmac('sha256', key).update(`${webhookId}.${got.headers['webhook-timestamp']}.`)
    assert.equal(got.headers['webhook-signature'], `v1,${signed.update(body).digest('base64')}`)
  }
})
