import assert from 'node:assert/strict'
import { glob, readFile } from 'node:fs/promises'
import { test } from 'node:test'
import {
  advisoryLocks,
  lockForTransaction,
  tryLockForSession,
  tryLockForTransaction,
} from '../../src/platform/advisory-lock.ts'
import { testDatabase } from '../support/database.ts'
import { eventually } from '../support/service.ts'

test('no two locks have the same number', () => {
  const numbers = Object.values(advisoryLocks)
  assert.deepEqual([...new Set(numbers)], numbers)
})

test('no other file of src/ takes an advisory lock by a number of its own', async () => {
  const root = new URL('../../', import.meta.url)
  const takers: string[] = []
  for await (const path of glob('src/**/*.ts', { cwd: root })) {
    if (/pg_(try_)?advisory/.test(await readFile(new URL(path, root), 'utf8'))) takers.push(path)
  }
  assert.deepEqual(takers, ['src/platform/advisory-lock.ts'])
})

test('a lock for a transaction keeps the others out until its end, and no other lock', async t => {
  const { database, close } = await testDatabase({ migrated: false })
  t.after(close)
  let waiting: Promise<void> = Promise.resolve()
  let isDone = false
  await database.transaction(async tx => {
    assert.equal(await tryLockForTransaction(tx, 'repair'), true)
    assert.equal(await tryLockForTransaction(database, 'repair'), false)
    assert.equal(await tryLockForTransaction(database, 'partitions'), true)
    waiting = database
      .transaction(other => lockForTransaction(other, 'repair'))
      .then(() => {
        isDone = true
      })
    await eventually(
      () =>
        database.query({
          text: `select from pg_locks where locktype = 'advisory' and not granted
                 and database = (select oid from pg_database where datname = current_database())`,
        }),
      ({ rowCount }) => rowCount === 1,
    )
    assert.equal(isDone, false)
  })
  await waiting
  assert.equal(await tryLockForTransaction(database, 'repair'), true)
})

test('a lock for a session is held over transactions, and free when the connection is closed', async t => {
  const { database, close } = await testDatabase({ migrated: false })
  t.after(close)
  const [holder, other] = [database.connection('holder'), database.connection('other')]
  assert.equal(await tryLockForSession(holder, 'migrate'), true)
  await holder.query({ text: 'begin' })
  await holder.query({ text: 'rollback' })
  assert.equal(await tryLockForSession(other, 'migrate'), false)
  await holder.close()
  await eventually(
    () => tryLockForSession(other, 'migrate'),
    locked => locked,
  )
})
