import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError } from '../errors.ts'
import type { Caller, Reach } from '../model/caller.ts'
import type { Uuid } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import { readPayload, readWholeEvent } from './event-store.ts'
import { endOwed, takeOut } from './expunges.ts'

export interface StoredPayload {
  readonly bytes: Buffer
  readonly contentType: string
  /** The codings of the bytes, such as `gzip`; null: none was said. */
  readonly contentEncoding: string | null
}

/**
 * The exact bytes of an event; undefined when there is no such event, or it is another tenant's.
 *
 * @throws AppError payload_expunged
 */
export async function readPayloadOf(
  database: Database,
  reach: Reach,
  webhookId: Uuid,
): Promise<StoredPayload | undefined> {
  const row = await readPayload(database, reach.tenant, webhookId)
  if (row === undefined) return undefined
  if (row.is_expunged) {
    throw new AppError(
      'payload_expunged',
      `The payload of event ${webhookId} was expunged. It cannot be had back.`,
    )
  }
  return { bytes: row.payload, contentType: row.content_type, contentEncoding: row.content_encoding }
}

/**
 * Removes the payload of an event, what its attempts have kept and what test receivers got of it, and ends what is still owed
 * of it as cancelled. Done again, it ends what is left.
 *
 * All processes hear of it (`expungedNotice`), and read again what they have in memory before they send it. An attempt that
 * begins before that is not called back, and is logged after the end; none follows it.
 *
 * @returns false when there is no such event, or it is another tenant's
 */
export async function expunge(
  database: Database,
  { actor, reach }: Caller,
  webhookId: Uuid,
): Promise<boolean> {
  const event = await readWholeEvent(database, reach.tenant, webhookId)
  if (event === undefined) return false
  await database.transaction(async tx => {
    await takeOut(tx, [webhookId])
    await recordChange(tx, actor, {
      action: 'event.payload_expunged',
      ...{ subjectId: webhookId, tenant: event.tenant },
      changes: differences({ size_bytes: event.size_bytes }, { size_bytes: 0 }),
    })
  })
  await endOwed(database, [webhookId])
  return true
}
