import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { keyNotice } from '../../src/cli/banner.ts'

test('the line that reads the key works in a shell, whatever the folder is called', t => {
  if (process.platform === 'win32') return t.skip('it is a line for a POSIX shell')
  for (const file of ['/data/first-api-key', `/a b/it's "$HOME" \`é\`/key`]) {
    const line = keyNotice(file)
      .split('\n')
      .find(one => one.includes('KEY='))
    const script = `cat() { printf '%s' "$1"; }\n${line}\nprintf '%s' "$KEY"`
    assert.equal(spawnSync('sh', ['-c', script], { encoding: 'utf8' }).stdout, file)
  }
})
