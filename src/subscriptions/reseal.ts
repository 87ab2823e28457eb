import { recordChange } from '../audit/audit.ts'
import type { Actor } from '../model/caller.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { retireOlderKeys, type Sealer } from '../platform/seal.ts'
import { resealAuth } from './auth.ts'
import { lockSealedOtherwise, type SealedRow, updateSealed } from './reseal-store.ts'
import { sealContext } from './secrets.ts'

export interface ResealReport {
  /** Subscriptions with values that are now sealed with the newest key, and were not before. */
  resealed: number
  /** Those that could not be opened; they stay as they are. */
  failed: { readonly id: number; readonly reason: string }[]
}

/** Seals values that are not those of subscriptions, so few that all of them are sealed in one transaction. */
export type ResealOthers = (tx: Queryable, seal: Sealer) => Promise<void>

/** Rows in one transaction. A change of one of them by the API waits until all of them are sealed: a few milliseconds. */
const batchRows = 100

/**
 * Seals every value with the newest key that another key has sealed. Then the database forgets the older keys, unless
 * some row could not be opened.
 *
 * Safe beside a working service, and safe to run again: rows are changed under their lock. Processes need no notice,
 * because they hold the opened values in memory. The audit log says that it was done, and by whom.
 *
 * @param others what seals few values elsewhere
 */
export async function resealAll(
  database: Database,
  seal: Sealer,
  actor: Actor,
  others: readonly ResealOthers[] = [],
): Promise<ResealReport> {
  const report: ResealReport = { resealed: 0, failed: [] }
  await resealRows(seal, work => database.transaction(work), report)
  await retireOlderKeys(database, seal, async tx => {
    report.failed = [] // the second pass tries those rows again
    for (const reseal of others) await reseal(tx, seal)
    await resealRows(seal, work => work(tx), report)
    await recordChange(tx, actor, {
      action: 'encryption_key.rotated',
      subjectId: seal.keyIds[0] ?? null,
      tenant: null,
      changes: [
        { field: 'resealed_subscriptions', before: null, after: report.resealed },
        { field: 'failed_subscriptions', before: null, after: report.failed.length },
      ],
    })
    return report.failed.length === 0
  })
  return report
}

async function resealRows(
  seal: Sealer,
  within: <T>(work: (tx: Queryable) => Promise<T>) => Promise<T>,
  report: ResealReport,
): Promise<void> {
  const [newest = ''] = seal.keyIds
  const prefix = `v1:${newest}:`
  let after: number | undefined = 0
  while (after !== undefined) {
    const from: number = after
    after = await within(async tx => {
      const rows = await lockSealedOtherwise(tx, prefix, from, batchRows)
      for (const row of rows) await resealRow(tx, seal, row, report)
      return rows.length < batchRows ? undefined : rows.at(-1)?.id
    })
  }
}

async function resealRow(tx: Queryable, seal: Sealer, row: SealedRow, report: ResealReport): Promise<void> {
  let resealed: SealedRow
  try {
    resealed = reseal(seal, row)
  } catch (error) {
    report.failed.push({ id: row.id, reason: error instanceof Error ? error.message : String(error) })
    return
  }
  await updateSealed(tx, resealed)
  report.resealed++
}

function reseal(seal: Sealer, row: SealedRow): SealedRow {
  const { id } = row
  const again = (sealed: string, context: string) => seal.seal(seal.open(sealed, context), context)
  const headers = Object.entries(row.headers).map(([name, sealed]) => [
    name,
    again(sealed, sealContext.header(id, name)),
  ])
  return {
    id,
    secret: row.secret === null ? null : again(row.secret, sealContext.secret(id)),
    signing_secrets: row.signing_secrets.map(secret => ({
      ...secret,
      sealed: again(secret.sealed, sealContext.signingSecret(id)),
    })),
    signing_key_pairs: row.signing_key_pairs.map(pair => ({
      ...pair,
      sealed: again(pair.sealed, sealContext.keyPair(id)),
    })),
    headers: Object.fromEntries(headers),
    auth: resealAuth(row.auth, id, again),
    inbound: row.inbound && {
      ...row.inbound,
      secrets: row.inbound.secrets.map(secret => again(secret, sealContext.inbound(id))),
    },
  }
}
