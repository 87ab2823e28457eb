import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, settledAudit, testService } from '../support/service.ts'

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
  /** Seconds since the first one was sent. */
  readonly sentAt: number
  readonly tookMs: number
}

/** Sends at this rate, whether or not answers come, and gathers what becomes of each. */
async function sendOnSchedule(url: string, perSecond: number, seconds: number): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 })
  const startedAt = performance.now()
  const answers: Promise<Answer>[] = []
  while (answers.length < perSecond * seconds) {
    const due = Math.min(((performance.now() - startedAt) * perSecond) / 1000, perSecond * seconds)
    while (answers.length < due) answers.push(sendOne(url, agent, startedAt))
    await sleep(5)
  }
  const all = await Promise.all(answers)
  agent.destroy()
  return all
}

function sendOne(url: string, agent: Agent, startedAt: number): Promise<Answer> {
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
          sentAt: (sentAt - startedAt) / 1000,
          tookMs: performance.now() - sentAt,
        }),
      )
    })
    sending.end('{"a":1}')
  })
}

test('while the database cannot keep up, events are accepted for good or refused fast, and afterwards all is well', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ SUBSCRIPTION_MAX_IN_FLIGHT: '50' })
  const service = await world.start()
  const { id } = await client(service.url).subscribe({ target_url: receiver.origin })
  const blocker = new pg.Client(world.world.connection)
  await blocker.connect()
  await blocker.query('begin; lock table events in exclusive mode')
  // For 2.5 s nothing can be committed, as if the disk did not answer.
  const sending = sendOnSchedule(`${service.url}/ingest/${id}`, 300, 4.5)
  await sleep(2500)
  await blocker.query('rollback')
  await blocker.end()
  const answers = await sending

  const accepted = answers.filter(({ status }) => status === 202)
  const refused = answers.filter(({ status }) => status === 503)
  assert.equal(accepted.length + refused.length, answers.length, 'every answer is 202 or 503')
  for (const { retryAfter, body } of refused) {
    assert.match(retryAfter ?? '', /^[123]$/)
    assert.match(body, /"code":"overloaded"/)
  }
  // The first second waits for what may yet happen; those who come then hear at once that it did not.
  const late = answers.filter(({ sentAt }) => sentAt > 1.3 && sentAt < 2.3)
  assert.ok(late.length > 200 && late.every(({ status }) => status === 503))
  const slowestMs = late.map(({ tookMs }) => tookMs).sort((a, b) => b - a)[Math.floor(late.length / 20)] ?? 0
  assert.ok(slowestMs < 400, `one in twenty refusals took longer than ${slowestMs} ms`)
  const after = answers.filter(({ sentAt }) => sentAt > 3.5)
  assert.ok(after.length > 200 && after.every(({ status, tookMs }) => status === 202 && tookMs < 2000))

  const report = await settledAudit(world.world)
  assert.equal(report.missing, 0)
  const received = new Set(receiver.received.map(({ headers }) => String(headers['webhook-id'])))
  const lost = accepted.filter(({ body }) => !received.has(JSON.parse(body).webhook_id))
  assert.deepEqual(lost, [])
  await service.end('SIGTERM')
})

/** Connections to this port that were not let in at once; the kernel asks again a second later. Linux only. */
async function notLetIn(port: number): Promise<number> {
  const synSent = new RegExp(` 0100007F:${port.toString(16).toUpperCase().padStart(4, '0')} 02 `)
  return (await readFile('/proc/net/tcp', 'utf8')).split('\n').filter(line => synSent.test(line)).length
}

test('thousands of connections that are opened at once are let in at once', async t => {
  const kernelMax = Number(await readFile('/proc/sys/net/core/somaxconn', 'utf8').catch(() => 0))
  if (kernelMax < 2000) return t.skip('the kernel lets fewer wait than are opened here')
  await using service = await testService()
  const port = Number(new URL(service.url).port)
  const sockets = Array.from({ length: 1800 }, () => connect(port, '127.0.0.1'))
  const connected = Promise.all(sockets.map(socket => once(socket, 'connect')))
  await new Promise(resolve => process.nextTick(resolve))
  const waiting = await notLetIn(port)
  assert.ok(waiting < 100, `${waiting} of ${sockets.length} were not let in`)
  await connected
  for (const socket of sockets) socket.destroy()
})
