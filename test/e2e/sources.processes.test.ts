import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { processWorld } from '../support/service.ts'

interface Counted {
  readonly received: { readonly accepted: number; readonly refused: number }
}

const secret = 'a secret'
const signed = (body: string, with_ = secret) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', with_).update(body).digest('hex')}`,
})

test('a source that one process makes is known in all of them, and what any of them refuses is in one list', async () => {
  await using processes = await processWorld({ PROCESSES: '2' })
  const { url } = await processes.start()
  const post = (path: string, body: string, headers: Record<string, string>) =>
    fetch(path.startsWith('/') ? url + path : path, {
      method: 'POST',
      body,
      headers: { connection: 'close', ...headers },
    })
  const make = async (name: string) => {
    const body = JSON.stringify({ name, preset: 'github', secrets: [secret] })
    const made = await post('/sources', body, { 'content-type': 'application/json' })
    return (await made.json()) as { readonly id: number; readonly url: string } // as openapi.json has it
  }
  const sendTo = (to: { readonly url: string }) =>
    Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        post(to.url, '{}', { ...signed('{}'), 'x-github-delivery': `${n % 2}` }),
      ),
    )
  const source = await make('x')
  // Who has heard of one that was made later has heard of this one.
  const later = await make('y')
  await eventually(
    () => sendTo(later),
    answers => answers.every(({ status }) => status === 200),
  )
  const sent = await sendTo(source)
  assert.deepEqual(new Set(sent.map(({ status }) => status)), new Set([200]))
  assert.equal(new Set(await Promise.all(sent.map(one => one.text()))).size, 2)
  await Promise.all(Array.from({ length: 12 }, () => post(source.url, '{}', signed('{}', 'wrong'))))
  const read = async () => (await (await fetch(`${url}/sources/${source.id}`)).json()) as Counted
  // Each process writes its counts by itself.
  const { received } = await eventually(read, one => one.received.accepted + one.received.refused === 24)
  assert.partialDeepStrictEqual(received, { accepted: 12, repeated: 10, refused: 12 })
  const refusals = await (await fetch(`${url}/sources/${source.id}/refusals`)).json()
  assert.equal(Object(refusals).length, 12)
})
