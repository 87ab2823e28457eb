import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { testService } from '../support/service.ts'

const run = promisify(execFile)

/** The commands of a guide, each with the status and the deliveries that it says. */
function examplesOf(guide: string) {
  const blocks = [...guide.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block)
  return blocks.flatMap(block =>
    [...block.matchAll(/^(curl [\s\S]*?)\n# → (\d{3})(.*)$/gm)].map(
      ([, command = '', status, rest = '']) => ({
        command,
        status: Number(status),
        deliveries: /"deliveries":(\d+)/.exec(rest)?.[1],
      }),
    ),
  )
}

test('the examples of the guide to publishing do what it says, in its order', async () => {
  await using world = await testService({ ROLE: 'api' })
  const guide = await readFile(new URL('../../docs/guides/publishing.md', import.meta.url), 'utf8')
  const examples = examplesOf(guide)
  assert.equal(examples.length, guide.match(/^curl /gm)?.length, 'each command says what is answered')
  let webhookId = ''
  for (const { command, status, deliveries } of examples) {
    const soon = new Date(Date.now() + 86_400_000).toISOString()
    const real = command
      .replaceAll('http://localhost:8000', world.url)
      .replace(/deliver_at=[^"&]+/, `deliver_at=${soon}`)
      .replace(/[0-9a-f]{8}-[0-9a-f-]{27}/, webhookId)
      .replace(/^curl /, 'curl -sS -w "\\n%{http_code}" ')
    const { stdout } = await run('/bin/sh', ['-c', real])
    const [body = '', answered] = [stdout.slice(0, stdout.lastIndexOf('\n')), stdout.slice(-3)]
    assert.equal(Number(answered), status, `${command}\n${body}`)
    if (deliveries !== undefined) assert.match(body, new RegExp(`"deliveries":${deliveries}}`), command)
    webhookId = /"webhook_id":"([^"]+)"/.exec(body)?.[1] ?? webhookId
  }
})
