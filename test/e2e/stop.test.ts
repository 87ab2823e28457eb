import assert from 'node:assert/strict'
import { Agent, request } from 'node:http'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { audit } from '../../src/monitor/audit.ts'
import { eventually } from '../support/eventually.ts'
import { atLength } from '../support/length.ts'
import { startReceiver } from '../support/receiver.ts'
import { client, processWorld, type ServiceProcess } from '../support/service.ts'

type Answer = { readonly status: number; readonly asksToLeave: boolean } | { readonly error: string }

function sendOne(url: string, agent: Agent): Promise<Answer> {
  return new Promise(resolve => {
    const headers = { 'content-type': 'application/json' }
    const sending = request(url, { method: 'POST', agent, headers }, response => {
      const asksToLeave = response.headers.connection === 'close'
      response.resume().on('end', () => resolve({ status: response.statusCode ?? 0, asksToLeave }))
    })
    sending.on('error', error => resolve({ error: 'code' in error ? String(error.code) : error.message }))
    sending.end('{"a":1}')
  })
}

/** Sends over connections that are kept, each one event every few milliseconds, until it is asked to leave. */
async function sendUntilAsked(url: string, answers: Answer[]): Promise<void> {
  const agent = new Agent({ keepAlive: true })
  const sender = async () => {
    for (let stays = true; stays; ) {
      const answer = await sendOne(url, agent)
      answers.push(answer)
      stays = 'status' in answer && !answer.asksToLeave
      await sleep(3 + Math.random() * 10)
    }
  }
  await Promise.all(Array.from({ length: 16 }, sender))
  agent.destroy()
}

async function stopUnderLoad(service: ServiceProcess, id: number): Promise<readonly Answer[]> {
  const answers: Answer[] = []
  const sending = sendUntilAsked(`${service.url}/ingest/${id}`, answers)
  await eventually(() => answers.length > 150)
  assert.equal(await service.end('SIGTERM'), 0)
  await sending
  return answers
}

test('a process that stops leaves no request unanswered: clients are asked to leave before it does', async () => {
  await using receiver = await startReceiver()
  await using world = await processWorld({ SHUTDOWN_DRAIN_MS: '3000' })
  const first = await world.start()
  const { id } = await client(first.url).subscribe({ target_url: receiver.origin })
  const answers = [...(await stopUnderLoad(first, id))]
  for (let round = 0; round < atLength(4, 1); round++)
    answers.push(...(await stopUnderLoad(await world.start(), id)))
  const others = answers.filter(answer => !('status' in answer && answer.status === 202))
  assert.deepEqual(others, [])
  const { events, missing } = await audit(world.world.database)
  assert.deepEqual({ events, missing }, { events: answers.length, missing: 0 })
})
