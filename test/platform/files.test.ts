import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFolder } from '../../src/platform/files.ts'

test('missing folders are made, the first of them is told, and those that are there are left alone', async () => {
  const root = await mkdtemp(join(tmpdir(), 'webhooks-folder-'))
  try {
    const made = await makeFolder(join(root, 'a', 'b', 'c'), 0o700)
    assert.equal(made, join(root, 'a'))
    assert.ok((await stat(join(root, 'a', 'b', 'c'))).isDirectory())
    assert.equal(await makeFolder(join(root, 'a', 'b', 'c'), 0o700), undefined)
    assert.equal(await makeFolder(join(root, 'a', 'b', 'd'), 0o700), join(root, 'a', 'b', 'd'))
  } finally {
    await rm(root, { recursive: true })
  }
})

test('a file system that takes no folders is an error, and not waited for', {
  skip: process.platform === 'linux' ? false : 'there is no /proc here',
}, async () => {
  await assert.rejects(makeFolder('/proc/webhooks/data', 0o700), { code: 'ENOENT' })
})
