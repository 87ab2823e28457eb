import { shownBody } from '../model/shown-body.ts'
import { uuidTime } from '../platform/id.ts'
import { reasonSentence } from './reasons.ts'
import type { RefusalRow } from './refusals-store.ts'
import type { RefusalView } from './schema.ts'

/** A request that was refused, as the API shows it. */
export function refusalView(row: RefusalRow): RefusalView {
  const isCut = row.body.length < row.body_bytes
  return {
    id: row.id,
    at: new Date(uuidTime(row.id)).toISOString(),
    ...{ reason: row.reason, detail: reasonSentence(row.reason) },
    ...{ method: row.method, query: row.query, headers: row.headers },
    ...shownBody(row.body, isCut),
    body_bytes: row.body_bytes,
    body_truncated: isCut,
  }
}
