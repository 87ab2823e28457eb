import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ensureCluster } from '../../../src/platform/embedded-postgres/cluster.ts'

test('a disk that is full before there are data is said to be that, and nothing of them is left', async t => {
  if (process.platform === 'win32') return t.skip('the program in place of initdb is a shell script')
  const home = await mkdtemp(join(tmpdir(), 'webhooks-cluster-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const initdb = join(home, 'initdb')
  // What initdb of PostgreSQL 18 wrote where 20 MB were free.
  const complaint = 'FATAL:  could not extend file "base/1/2691": No space left on device'
  await writeFile(initdb, `#!/bin/sh\necho '${complaint}' >&2\nexit 1\n`, { mode: 0o755 })
  const place = {
    home,
    cluster: join(home, 'postgres'),
    passwordFile: join(home, 'postgres.password'),
    logFile: join(home, 'postgres.log'),
    lockFile: join(home, 'postgres.lock'),
    account: undefined,
  }
  const binaries = { initdb, postgres: initdb, pgCtl: initdb, major: 18 }
  await assert.rejects(
    ensureCluster({ place, binaries, log: () => {} }),
    /the disk is full, and it needs 70 MB/,
  )
  assert.deepEqual((await readdir(home)).toSorted(), ['initdb', 'postgres.password'])
})
