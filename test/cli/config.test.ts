import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runConfig } from '../../src/cli/config.ts'
import { settings } from '../../src/config/settings.ts'
import { StartupError } from '../../src/errors.ts'

/** Runs the command and gathers what it says. */
async function run(args: readonly string[], environment: Record<string, string> = {}) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    environment,
  }
  return { code: await runConfig(args, io), out: out.join('\n'), err: err.join('\n') }
}

test('config show prints every setting in force, with secrets masked', async () => {
  const { code, out } = await run(['show'], { DATABASE_URL: 'postgres://u:hunter2@db/x', PORT: '9' })
  assert.equal(code, 0)
  assert.match(out, /^# server mode\n/)
  assert.match(out, /^DATABASE_URL=postgres:\/\/u:\*\*\*@db\/x$/m)
  assert.match(out, /^PORT=9$/m)
  for (const { variable } of Object.values(settings)) assert.ok(out.includes(`${variable}=`), variable)
})

test('config show --json prints them as one object', async () => {
  const { code, out } = await run(['show', '--json'], { HOST: '::1' })
  assert.equal(code, 0)
  const shown: unknown = JSON.parse(out)
  assert.ok(typeof shown === 'object' && shown !== null && 'HOST' in shown)
  assert.equal(shown.HOST, '::1')
})

test('config show passes warnings on, apart from the settings', async () => {
  const { out, err } = await run(['show'], { LOG_LEVELS: 'info' })
  assert.match(err, /did you mean LOG_LEVEL\?/)
  assert.doesNotMatch(out, /LOG_LEVELS/)
})

test('config show refuses settings that a start would refuse', async () => {
  await assert.rejects(run(['show'], { PORT: 'x' }), StartupError)
})

test('config docs explains every setting', async () => {
  const { code, out } = await run(['docs'])
  assert.equal(code, 0)
  for (const { variable } of Object.values(settings)) assert.ok(out.includes(`## ${variable}\n`), variable)
})

test('anything else is a usage error that says what there is', async () => {
  for (const args of [[], ['set'], ['show', '--yaml'], ['docs', 'x']]) {
    const { code, err } = await run(args)
    assert.equal(code, 2)
    assert.match(err, /Usage: webhooks config/)
  }
  assert.equal((await run(['--help'])).code, 0)
})
