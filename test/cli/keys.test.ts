import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitCode } from '../../src/cli/command.ts'
import { runKeys } from '../../src/cli/keys.ts'

/** Runs the command with arguments that are wrong: it says why before it looks for a database. */
async function run(...args: string[]) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    environment: {},
  }
  return { code: await runKeys(args, io), out: out.join('\n'), err: err.join('\n') }
}

test('what is wrong with the arguments is said in a sentence, with the usage', async () => {
  for (const [args, sentence] of [
    [[], /Say what to do/],
    [['make'], /It cannot make/],
    [['create', '--scope', 'admin'], /Give a --name/],
    [['create', '--name', 'x', '--scope', 'root'], /Give a --scope: admin, tenant, publish, read/],
    [['create', '--name', 'x', '--scope', 'admin', '--expires-in', '90'], /Give --expires-in as 90d/],
    [['create', '--name', 'x', '--scope', 'admin', '--expires-in', '0d'], /Give --expires-in as 90d/],
    [['create', '--nam', 'x'], /--nam/],
    [['list', 'all'], /all/],
    [['revoke'], /Give the id of one key/],
    [['revoke', 'whk_x'], /Give the id of one key/],
    [['revoke', '1', '2'], /Give the id of one key/],
  ] as const) {
    const { code, err, out } = await run(...args)
    assert.equal(code, exitCode.usage, args.join(' '))
    assert.match(err, sentence)
    assert.match(err, /Usage: webhooks keys/)
    assert.equal(out, '')
  }
  assert.equal((await run('--help')).code, exitCode.ok)
})
