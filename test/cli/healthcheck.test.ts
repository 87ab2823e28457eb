import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { runHealthcheck } from '../../src/cli/healthcheck.ts'

async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const said: string[] = []
  const say = (text: string) => void said.push(text)
  return { code: await runHealthcheck(args, { out: say, err: say, environment }), said: said.join('\n') }
}

/** A service that answers /readyz with this status, on a free port of this machine. */
async function serviceThatAnswers(t: TestContext, status: number, host = '127.0.0.1'): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/readyz' ? status : 404).end('{"why":"starting"}')
  }).listen(0, host)
  t.after(() => server.close())
  await once(server, 'listening')
  const address = server.address() as AddressInfo // it listens on TCP
  return String(address.port)
}

test('a ready service is exit code 0', async t => {
  const port = await serviceThatAnswers(t, 200)
  assert.deepEqual(await run([], { PORT: port }), { code: 0, said: 'ready (200)' })
})

test('the service is asked on the loopback when it listens on all interfaces', async t => {
  const port = await serviceThatAnswers(t, 200, '0.0.0.0')
  assert.equal((await run([], { PORT: port, HOST: '0.0.0.0' })).code, 0)
})

test('a service that is not ready is exit code 1, with what it answered', async t => {
  const { code, said } = await run([], { PORT: await serviceThatAnswers(t, 503) })
  assert.equal(code, 1)
  assert.match(said, /answered 503 \{"why":"starting"\}/)
})

test('a service is asked on a port that browsers refuse', async t => {
  for (const port of [6000, 6566, 6669, 10_080]) {
    const server = createServer((_, response) => response.end('{}')).listen(port, '127.0.0.1')
    t.after(() => server.close())
    const isOpen = await Promise.race([once(server, 'listening'), once(server, 'error')]).then(
      () => server.listening,
      () => false, // another program has it
    )
    if (isOpen)
      return assert.deepEqual(await run([], { PORT: String(port) }), { code: 0, said: 'ready (200)' })
  }
  t.skip('all of them are taken')
})

test('a service that is not there is exit code 1, with the reason', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as AddressInfo // it listens on TCP
  closed.close()
  await once(closed, 'close')
  const { code, said } = await run([`http://127.0.0.1:${port}/readyz`])
  assert.equal(code, 1)
  assert.match(said, /does not answer \(.*ECONNREFUSED/)
})

test('a URL can be given instead of the settings, and must be one', async t => {
  const port = await serviceThatAnswers(t, 200)
  assert.equal((await run([`http://127.0.0.1:${port}/readyz`], { PORT: '1' })).code, 0)
  assert.equal((await run(['not a url'])).code, 2)
  assert.equal((await run(['localhost:8000'])).code, 2)
  assert.equal((await run([], { PORT: '0' })).code, 2)
  assert.equal((await run(['--help'])).code, 0)
})
