import type { Queryable } from './postgres.ts'

/**
 * Every advisory lock that this service takes, by name. A lock is a pair of numbers in PostgreSQL: `lockClass` for this
 * service, so that other programs on the same database are not in its way, and the number given here.
 *
 * A number is never changed and never given to another name: an older process that runs beside this one uses it too.
 */
export const advisoryLocks = {
  /** One process migrates at a time. For a session, as it is held over several transactions. */
  migrate: 1,
  /** One process makes partitions at a time. */
  partitions: 2,
  /** Of processes that start together one makes the first API key. */
  firstKey: 3,
  /** One process repairs lanes at a time. */
  repair: 4,
  /** One process runs retention at a time. */
  retention: 5,
} as const

export type AdvisoryLock = keyof typeof advisoryLocks

/** Any number that other programs are not likely to use. */
const lockClass = 7_461_905

/** Waits for the lock; it is held until the end of the transaction. */
export async function lockForTransaction(tx: Queryable, lock: AdvisoryLock): Promise<void> {
  await tx.query({ text: 'select pg_advisory_xact_lock($1, $2)', values: [lockClass, advisoryLocks[lock]] })
}

/** Takes the lock until the end of the transaction. @returns false when another process has it */
export function tryLockForTransaction(tx: Queryable, lock: AdvisoryLock): Promise<boolean> {
  return tryLock(tx, 'pg_try_advisory_xact_lock', lock)
}

/**
 * Takes the lock for as long as the connection is open, so `connection` has to be one of its own that is not opened
 * again by itself. @returns false when another process has it
 *
 * There is no function that waits: a session that waits in PostgreSQL holds a snapshot, and CREATE INDEX CONCURRENTLY of
 * the one that has the lock waits for all older snapshots, so both would wait for each other. Ask again instead.
 */
export function tryLockForSession(connection: Queryable, lock: AdvisoryLock): Promise<boolean> {
  return tryLock(connection, 'pg_try_advisory_lock', lock)
}

async function tryLock(
  db: Queryable,
  take: 'pg_try_advisory_xact_lock' | 'pg_try_advisory_lock',
  lock: AdvisoryLock,
): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>({
    text: `select ${take}($1, $2) as locked`,
    values: [lockClass, advisoryLocks[lock]],
  })
  return rows[0]?.locked === true
}
