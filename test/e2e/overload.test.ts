import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemOf } from '../support/acquainted.ts'
import { eventually } from '../support/eventually.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit, testService } from '../support/service.ts'
import { stallCommits } from '../support/stalled-commits.ts'

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
  readonly tookMs: number
}

const periodMs = 10

/** Sends some 300 events a second until it is stopped, whether or not answers come, and gathers them as they come. */
function sendOnSchedule(url: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 })
  const answers: Answer[] = []
  const sent: Promise<unknown>[] = []
  let running = true
  const sending = (async () => {
    for (; running; await sleep(periodMs)) {
      for (let n = 0; n < 3; n++) sent.push(sendOne(url, agent).then(answer => answers.push(answer)))
    }
  })()
  const stop = async () => {
    running = false
    await sending
    await Promise.all(sent)
    agent.destroy()
  }
  return { answers, stop, [Symbol.asyncDispose]: stop }
}

function sendOne(url: string, agent: Agent): Promise<Answer> {
  const sentAt = performance.now()
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', agent, headers: { 'content-type': 'application/json' } })
    sending.on('error', reject)
    sending.on('response', response => {
      let body = ''
      response.on('data', chunk => {
        body += chunk
      })
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          retryAfter: response.headers['retry-after'],
          body,
          tookMs: performance.now() - sentAt,
        }),
      )
    })
    sending.end('{"a":1}')
  })
}

/** How long an event may wait for its commit, at most: what is refused at once must not. */
const ingestTimeoutMs = 20_000

test('while the database cannot keep up, events are accepted for good or refused fast, and afterwards all is well', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({
    SUBSCRIPTION_MAX_IN_FLIGHT: '50',
    INGEST_TIMEOUT_MS: `${ingestTimeoutMs}`,
  })
  const service = await world.start()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  await using stalled = await stallCommits(world.world.connection)
  await using load = sendOnSchedule(`${service.url}/ingest/${id}`)
  const { answers } = load
  // The first events wait for what may yet happen; those that come later hear at once that it did not.
  await eventually(() => answers.length > 300)
  const late = answers.slice(0, 300)
  assert.ok(late.every(({ status }) => status === 503))
  const slowestMs = late.map(({ tookMs }) => tookMs).sort((a, b) => b - a)[late.length / 20] ?? 0
  assert.ok(slowestMs < ingestTimeoutMs / 4, `one in twenty refusals took longer than ${slowestMs} ms`)
  const ofOverload = /"trouble":"overload","msg":"more events come in than can be written/g
  assert.equal(service.output().match(ofOverload)?.length, 1, 'one line, however many are refused')
  await eventually(async () => {
    const { troubles } = await systemOf(service.url)
    return troubles.some(({ kind, until, count }) => kind === 'overload' && until === null && count > 100)
  })
  assert.match(
    await (await fetch(`${service.url}/metrics`)).text(),
    /^webhook_troubles\{kind="overload"\} 1$/m,
  )
  await stalled.end()
  await eventually(
    () => answers.slice(-100),
    last => last.every(({ status, tookMs }) => status === 202 && tookMs < ingestTimeoutMs / 4),
  )
  await load.stop()

  const accepted = answers.filter(({ status }) => status === 202)
  const refused = answers.filter(({ status }) => status === 503)
  assert.equal(accepted.length + refused.length, answers.length, 'every answer is 202 or 503')
  for (const { retryAfter, body } of refused) {
    assert.match(retryAfter ?? '', /^[123]$/)
    assert.match(body, /"code":"overloaded"/)
  }
  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  const received = new Set(receiver.received.map(({ headers }) => String(headers['webhook-id'])))
  const lost = accepted.filter(({ body }) => !received.has(JSON.parse(body).webhook_id))
  assert.deepEqual(lost, [])
})

/** How often a connection was not let in since the machine was started, because too many waited. Linux only. */
async function notLetIn(): Promise<number> {
  const [names = '', values = ''] = (await readFile('/proc/net/netstat', 'utf8'))
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
  return Number(values.split(' ')[names.split(' ').indexOf('ListenOverflows')])
}

test('thousands of connections that are opened at once are let in at once', async t => {
  const kernelMax = Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8').catch(() => 0))
  if (kernelMax < 2000) return t.skip('the kernel lets fewer wait than are opened here')
  await using service = await testService()
  const port = Number(new URL(service.url).port)
  const before = await notLetIn()
  const sockets = Array.from({ length: 1800 }, () => connect(port, '127.0.0.1'))
  for (const socket of sockets) socket.on('error', () => {}) // reset at the end, by the service or here
  t.after(() => sockets.forEach(socket => void socket.destroy()))
  await Promise.all(sockets.map(socket => once(socket, 'connect')))
  const refused = (await notLetIn()) - before
  assert.ok(refused < 100, `${refused} of ${sockets.length} had to ask again`)
})
