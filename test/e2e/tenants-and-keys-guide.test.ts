import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { launcher } from '../support/launcher.ts'
import { nodeEnvironment, processWorld } from '../support/service.ts'

/** The commands of a guide, each with the lines that it says come of them. */
async function examplesOf(
  guide: string,
): Promise<readonly { command: string; expected: readonly string[] }[]> {
  const text = await readFile(new URL(`../../docs/guides/${guide}`, import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].map(([, kind, body = '']) => ({
    kind,
    body,
  }))
  return blocks.flatMap(({ kind, body }, index) => {
    if (kind !== 'bash') return []
    const next = blocks[index + 1]
    return [{ command: body, expected: next && next.kind !== 'bash' ? next.body.trim().split('\n') : [] }]
  })
}

test('the guide to tenants and keys does what it says', async t => {
  if (spawnSync('curl', ['--version']).status !== 0) return t.skip('there is no curl here')
  const folder = await mkdtemp(join(tmpdir(), 'webhooks-guide-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await using world = await processWorld({ AUTH: 'keys', DATA_DIR: join(folder, 'data') })
  const { url } = await world.start()
  const examples = await examplesOf('tenants-and-keys.md')
  assert.ok(examples.length >= 7)
  const script = examples
    .map(({ command }) => `${command}\necho; echo "=== next"`)
    .join('\n')
    .replaceAll('http://localhost:8000', url)
    .replaceAll('npx webhooks', `"${process.execPath}" "${launcher()}"`)
  const { stdout, stderr, status } = spawnSync('bash', ['-e', '-c', script], {
    cwd: folder,
    env: { ...nodeEnvironment(), ...world.environment },
    encoding: 'utf8',
    timeout: 120_000,
  })
  assert.equal(status, 0, `${stdout}\n${stderr}`)
  const outputs = stdout.replaceAll(url, 'http://localhost:8000').split('=== next')
  for (const [index, { command, expected }] of examples.entries()) {
    for (const line of expected)
      for (const part of line.split('…'))
        assert.ok(outputs[index]?.includes(part), `${command}\nanswered ${outputs[index]}\nwithout ${part}`)
  }
})
