import type { Queryable } from './postgres.ts'

/**
 * All advisory locks of this service, by name. In PostgreSQL a lock is a pair of numbers: `lockClass`, which keeps other
 * programs on the same database apart, and the number given here.
 *
 * A number is never changed and never given to another name, because older processes beside this one use it too.
 */
export const advisoryLocks = {
  /** One process migrates at a time. It is held by a session, over several transactions. */
  migrate: 1,
  /** One process makes partitions at a time. */
  partitions: 2,
  /** Of several processes that start together, one makes the first API key. */
  firstKey: 3,
  /** One process repairs lanes at a time. */
  repair: 4,
  /** One process runs retention at a time. */
  retention: 5,
  /** One process at a time puts what dead processes held into the lanes. */
  recovery: 6,
  /** One process runs replays at a time. */
  replay: 7,
  /** One process at a time removes what deleted tenants had, and frees their ids. */
  tenants: 8,
  /** One change of the catalogues of event types at a time, so that their bounds hold. */
  eventTypes: 9,
  /** One process at a time tells of what the service has noted about itself. */
  systemEvents: 15,
  /** One process at a time ends what waited for subscriptions that were resumed without it. */
  discard: 17,
  /** One process rolls up the log at a time. */
  stats: 12,
  /** One test receiver is made at a time, so that their bounds hold. */
  testReceivers: 11,
  /** One process at a time expunges what events hold. */
  expunge: 21,
  /** One source is made at a time, so that their bounds hold. */
  sources: 22,
} as const

export type AdvisoryLock = keyof typeof advisoryLocks

/** A number that other programs probably do not use. */
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
 * Takes the lock until the connection is closed. `connection` must be a pinned one that is not opened again (`reopens`).
 *
 * There is no function that waits: a session that waits in PostgreSQL holds a snapshot, and CREATE INDEX CONCURRENTLY by
 * the holder of the lock waits for all older snapshots. Both would wait for each other. Call this again instead.
 *
 * @returns false when another process has it
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
