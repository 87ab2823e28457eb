import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { eventually } from '../support/eventually.ts'
import { processWorld } from '../support/service.ts'

const secret = 'a secret'
const signed = (body: string, with_ = secret) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', with_).update(body).digest('hex')}`,
})

test('a source is known in all processes at once, and what any of them refuses is in one list', async () => {
  await using processes = await processWorld({ PROCESSES: '2' })
  const { url } = await processes.start()
  const post = (path: string, body: string, headers: Record<string, string>) =>
    fetch(path.startsWith('/') ? url + path : path, {
      method: 'POST',
      body,
      headers: { connection: 'close', ...headers },
    })
  const made = await post('/sources', JSON.stringify({ name: 'x', preset: 'github', secrets: [secret] }), {
    'content-type': 'application/json',
  })
  const source = (await made.json()) as { readonly id: number; readonly url: string } // as openapi.json has it
  const sent = await Promise.all(
    Array.from({ length: 12 }, (_, n) =>
      post(source.url, '{}', { ...signed('{}'), 'x-github-delivery': `${n % 2}` }),
    ),
  )
  assert.deepEqual(new Set(sent.map(({ status }) => status)), new Set([200]))
  assert.equal(new Set(await Promise.all(sent.map(one => one.text()))).size, 2)
  await Promise.all(Array.from({ length: 12 }, () => post(source.url, '{}', signed('{}', 'wrong'))))
  const read = async () => (await (await fetch(`${url}/sources/${source.id}`)).json()) as { received: object }
  const { received } = await eventually(read, one => Object(one.received).refused === 12)
  assert.partialDeepStrictEqual(received, { accepted: 12, repeated: 10, refused: 12 })
  const refusals = await (await fetch(`${url}/sources/${source.id}/refusals`)).json()
  assert.equal(Object(refusals).length, 12)
})
