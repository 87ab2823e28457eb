import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Outcome } from '../../../src/model/outcome.ts'
import { startReceiver } from '../../support/receiver.ts'

const script = fileURLToPath(new URL('../../support/without-descriptors.ts', import.meta.url))

async function outcomesWith(descriptors: number, origins: readonly string[]): Promise<readonly Outcome[]> {
  const command = `ulimit -n ${descriptors}; exec "$0" "$@"`
  const child = spawn('/bin/sh', ['-c', command, process.execPath, script, ...origins], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const chunk of child.stdout) text += chunk
  const lines = text.trim().split('\n')
  return lines.map(line => JSON.parse(line) as Outcome) // as the script writes it
}

test('without descriptors an idle connection makes room, and else it is our own lack, by address and by name', {
  skip: process.platform === 'win32',
}, async () => {
  await using one = await startReceiver()
  await using other = await startReceiver({ headers: { connection: 'close' } })
  const names = ['http://some-name.test', other.origin]
  const outcomes = await outcomesWith(64, [one.origin, other.origin, ...names, one.origin])
  const [room, name, address, , again] = outcomes
  assert.equal(room?.kind, 'accepted', 'the idle connection has made room')
  for (const lacking of [name, address]) {
    assert.deepEqual(
      [lacking?.kind === 'unreachable' && [lacking.fault, lacking.errorCode]],
      [['ours', 'EMFILE']],
      JSON.stringify(lacking),
    )
  }
  assert.equal(again?.kind, 'accepted', 'and when there are some again, it sends as before')
})
