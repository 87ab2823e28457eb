import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runServe } from '../../src/cli/serve.ts'
import { readServeArguments } from '../../src/cli/serve-arguments.ts'
import { readConfig } from '../../src/config/config.ts'
import { StartupError } from '../../src/errors.ts'

/** Runs the command and gathers what it says. Nothing here gets as far as starting. */
async function serve(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    environment: {},
  }
  return { code: await runServe(args, io), out: out.join('\n'), err: err.join('\n') }
}

test('options win over the environment, and what is not given stays as it was', () => {
  const given = readServeArguments(['--role', 'worker', '--processes=3', '--port', '0', '--host', '::1'], {
    ROLE: 'api',
    PROCESSES: '9',
    PORT: '1',
    LOG_LEVEL: 'warn',
  })
  assert.ok(given.kind === 'serve')
  const { role, processes, port, host, logLevel } = readConfig(given.environment)
  assert.deepEqual(
    { role, processes, port, host, logLevel },
    { role: 'worker', processes: 3, port: 0, host: '::1', logLevel: 'warn' },
  )
})

test('without options the environment is as it was', () => {
  const environment = { ROLE: 'api' }
  assert.deepEqual(readServeArguments([], environment), { kind: 'serve', environment })
})

test('a value that is not allowed is refused as the setting would be', async () => {
  await assert.rejects(serve('--role', 'boss'), (error: unknown) => {
    assert.ok(error instanceof StartupError)
    assert.match(error.message, /ROLE must be one of all, api, worker; "boss" is not\./)
    return true
  })
  await assert.rejects(serve('--processes', '65'), /PROCESSES must be a whole number from 1 to 64/)
})

test('what is not an option is refused with the usage and exit code 2', async () => {
  for (const args of [['--rolle', 'api'], ['worker'], ['--role'], ['--role='], ['-p', '1']]) {
    const { code, out, err } = await serve(...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(err, /^webhooks serve: .*\n\nUsage: webhooks serve/)
    assert.equal(out, '')
  }
  assert.match((await serve('--rolle', 'api')).err, /--rolle/)
})

test('--help says what there is and starts nothing', async () => {
  const { code, out } = await serve('--processes', '2', '--help')
  assert.equal(code, 0)
  for (const option of ['--role', '--processes', '--port', '--host']) assert.ok(out.includes(option), option)
})
