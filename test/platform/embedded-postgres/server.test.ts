import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNotStarted } from '../../../src/platform/embedded-postgres/server.ts'

const place = { cluster: '/data/postgres', logFile: '/data/postgres.log' }

test('a server that finds its disk full is said to be that, and not in words of lost data', () => {
  // What PostgreSQL 18 wrote when it was started on such a disk.
  const complaint = [
    'LOG:  database system was interrupted while in recovery',
    'HINT:  This probably means that some data is corrupted and you will have to use the last backup for recovery.',
    'FATAL:  could not write to file "pg_wal/xlogtemp.31596": No space left on device',
  ].join('\n')
  const said = whyNotStarted(place, complaint)
  assert.match(said, /the disk of \/data\/postgres is full\. Make room on it and start again/)
  assert.doesNotMatch(said, /corrupted/)
})

test('for any other reason the end of the log is shown', () => {
  assert.match(
    whyNotStarted(place, 'FATAL:  lock file exists'),
    /\/data\/postgres\.log:\nFATAL: {2}lock file exists/,
  )
})
