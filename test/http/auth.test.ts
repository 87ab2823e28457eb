import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { type Caller, localOperator } from '../../src/model/caller.ts'
import { eventually } from '../support/eventually.ts'
import { testServer } from '../support/server.ts'

const keys = {
  identify: (given: string | undefined) => (given === 'Bearer whk_good' ? localOperator : undefined),
}
const good = { authorization: 'Bearer whk_good' }
const wrong = { authorization: 'Bearer whk_wrong' }

test('who tries many keys is slowed down, and a valid key of the same address is not', async t => {
  await using server = await testServer({ keys })
  const ask = (headers: Record<string, string>) => server.request('/system', { headers })
  const now = performance.now.bind(performance)
  const stoppedAt = Math.ceil(now()) // whole, so that sums of it are exact
  t.mock.method(performance, 'now', () => stoppedAt) // after a second another wrong key is free
  for (let n = 0; n < 10; n++) assert.equal((await ask(wrong)).status, 401)
  const before = now()
  const refused = await ask(wrong)
  const tookMs = now() - before
  assert.equal(refused.status, 429)
  assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
  assert.equal(refused.headers.get('connection'), 'close')
  assert.match(refused.text, /"code":"too_many_wrong_keys"/)
  assert.ok(tookMs > 900, `it took ${tookMs} ms`)
  const slow = Promise.all(Array.from({ length: 20 }, () => ask(wrong)))
  const answered = ask(good).then(({ status }) => status)
  assert.equal(await Promise.race([answered, slow]), 200, 'the valid one does not wait for the others')
  await slow
})

test('a request without a key is no attempt to find one', async () => {
  await using server = await testServer({ keys })
  for (let n = 0; n < 30; n++) assert.equal((await server.request('/system')).status, 401)
})

test('a body behind a wrong key is not read, whether it is ever sent or not', async () => {
  await using server = await testServer({ keys })
  const socket = connect(server.port, '127.0.0.1').setEncoding('utf8')
  const head =
    'POST /subscriptions/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n'
  socket.write(`${head}Authorization: Bearer whk_wrong\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  assert.match(String(answer), /^HTTP\/1\.1 401 /)
  socket.destroy()
})

test('at most a hundred unknown keys wait for the database', async () => {
  const { promise, resolve } = Promise.withResolvers<Caller>()
  await using server = await testServer({ keys: { identify: () => promise } })
  const statuses: number[] = []
  const asking = Array.from({ length: 120 }, async () => {
    statuses.push((await server.request('/system', { headers: wrong })).status)
  })
  await eventually(() => statuses.length === 20)
  resolve(localOperator)
  await Promise.all(asking)
  assert.deepEqual(statuses, [...Array(20).fill(503), ...Array(100).fill(200)])
})
