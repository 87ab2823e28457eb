import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { test } from 'node:test'
import { AppError } from '../../src/errors.ts'
import { BodyBudget } from '../../src/http/body-budget.ts'
import { readBody } from '../../src/http/read-body.ts'
import { eventually } from '../support/eventually.ts'

/** A server that reads bodies, and a client that sends bytes to it as they are. */
async function world(bytesMax: number, budgetBytes: number) {
  const budget = new BodyBudget(budgetBytes)
  const read: (Buffer | Error | null)[] = []
  const server = createServer((request, response) => {
    readBody({ bytesMax, budget }, request, (error, body) => {
      read.push(body ?? error)
      response.end()
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const begin = (header: string, body: string | Buffer = '') => {
    const socket = connect(port, '127.0.0.1').resume()
    socket.write(`POST / HTTP/1.1\r\nHost: localhost\r\n${header}\r\n\r\n`)
    socket.write(body)
    return socket
  }
  return {
    budget,
    read,
    begin,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const codesOf = (read: readonly (Buffer | Error | null)[]) =>
  read.map(error => (error instanceof AppError ? error.code : 'none'))

const chunked = (...pieces: readonly (string | Buffer)[]): Buffer =>
  Buffer.concat(
    pieces.flatMap(piece => [
      Buffer.from(`${piece.length.toString(16)}\r\n`),
      Buffer.from(piece),
      Buffer.from('\r\n'),
    ]),
  )
const lastChunk = '0\r\n\r\n'

test('a body is read byte for byte, however it is cut', async () => {
  await using w = await world(1_048_576, 8_388_608)
  const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251))
  const cuts = [1, 2, 4095, 4096, 10_000, 1, 16_383, 3, 20_000, 16_384, 1]
  const starts = cuts.map((_, index) => cuts.slice(0, index).reduce((sum, length) => sum + length, 0))
  const pieces = starts.map((start, index) => bytes.subarray(start, starts[index + 1]))
  w.begin('Transfer-Encoding: chunked', Buffer.concat([chunked(...pieces), Buffer.from(lastChunk)]))
  w.begin(`Content-Length: ${bytes.length}`, bytes)
  w.begin('Content-Length: 5', 'whole')
  w.begin('Transfer-Encoding: chunked', lastChunk)
  const lengths = () => w.read.map(body => (Buffer.isBuffer(body) ? body.length : -1)).sort((a, b) => a - b)
  await eventually(lengths, found => found.length === 4)
  assert.deepEqual(lengths(), [0, 5, 100_000, 100_000])
  for (const body of w.read) {
    assert.ok(Buffer.isBuffer(body))
    if (body.length === 100_000) assert.ok(body.equals(bytes))
  }
  assert.equal(w.budget.bytes, 0)
})

test('a body in chunks of one byte is counted by the memory it takes, which is little more than its length', async () => {
  await using w = await world(1_048_576, 8_388_608)
  w.begin('Transfer-Encoding: chunked', chunked(...'x'.repeat(50_000)))
  // 50,000 bytes are 3.05 buffers of 16 KiB.
  await eventually(
    () => w.budget.bytes,
    bytes => bytes === 65_536,
  )
})

test('a body that is too large is refused, by its declared length or as it comes', async () => {
  await using w = await world(1000, 8_388_608)
  w.begin('Content-Length: 1001')
  w.begin('Transfer-Encoding: chunked', chunked('x'.repeat(600), 'x'.repeat(600)))
  await eventually(() => w.read.length === 2)
  assert.deepEqual(codesOf(w.read), ['body_too_large', 'body_too_large'])
  assert.equal(w.budget.bytes, 0)
})

test('when all bodies take too much, the slowest are refused and their memory is free', async () => {
  await using w = await world(1_048_576, 400_000)
  const half = Buffer.alloc(100_000)
  for (let n = 1; n <= 4; n++) {
    w.begin('Content-Length: 200000', half)
    await eventually(
      () => w.budget.bytes,
      bytes => bytes === n * 100_000,
    )
  }
  assert.deepEqual(w.read, [])
  w.begin('Content-Length: 200000', half)
  await eventually(() => w.read.length === 2)
  assert.deepEqual(codesOf(w.read), ['overloaded', 'overloaded'])
  await eventually(
    () => w.budget.bytes,
    bytes => bytes === 300_000,
  )
})

test('a client that leaves gives its memory back', async () => {
  await using w = await world(1_048_576, 400_000)
  const socket = w.begin('Content-Length: 200000', Buffer.alloc(100_000))
  await eventually(() => w.budget.bytes === 100_000)
  socket.destroy()
  await eventually(() => w.budget.bytes === 0)
  assert.deepEqual(codesOf(w.read), ['malformed_request'])
})
