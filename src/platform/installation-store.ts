import type { Queryable } from './postgres.ts'

/**
 * Reads a fact of this installation, and locks it: others can change it only after the transaction has ended.
 *
 * @param tx an open transaction
 * @param initial its value when it is not there yet; it is inserted then
 */
export async function lockFact(tx: Queryable, name: string, initial: unknown): Promise<unknown> {
  await tx.query({
    text: 'insert into installation (name, value) values ($1, $2) on conflict (name) do nothing',
    values: [name, JSON.stringify(initial)],
  })
  const { rows } = await tx.query<{ value: unknown }>({
    text: 'select value from installation where name = $1 for update',
    values: [name],
  })
  return rows[0]?.value
}

/** Reads a fact, undefined when there is none, and lets nobody change it until the transaction ends. A shared lock. */
export async function shareFact(tx: Queryable, name: string): Promise<unknown> {
  const { rows } = await tx.query<{ value: unknown }>({
    text: 'select value from installation where name = $1 for share',
    values: [name],
  })
  return rows[0]?.value
}

/** Replaces a fact; call `lockFact` first, in the same transaction. */
export async function writeFact(tx: Queryable, name: string, value: unknown): Promise<void> {
  await tx.query({
    text: 'update installation set value = $2 where name = $1',
    values: [name, JSON.stringify(value)],
  })
}

/** Reads a fact, if there is one. */
export async function readFact(db: Queryable, name: string): Promise<unknown> {
  const { rows } = await db.query<{ value: unknown }>({
    text: 'select value from installation where name = $1',
    values: [name],
  })
  return rows[0]?.value
}

/** Writes a fact, whatever it was before. */
export async function setFact(db: Queryable, name: string, value: unknown): Promise<void> {
  await db.query({
    text: 'insert into installation (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value',
    values: [name, JSON.stringify(value)],
  })
}
