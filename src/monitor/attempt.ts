import type { Reach } from '../model/caller.ts'
import { shownBody } from '../model/shown-body.ts'
import type { Uuid } from '../platform/id.ts'
import { attemptOf, isWithin, type LogReader } from './monitor.ts'
import type { AttemptDetails } from './schema.ts'
import { readAttempt, readDetails, type StoredDetails } from './store.ts'

/** An attempt with its details; undefined when there is no such attempt, or it was removed by retention. */
export async function readAttemptDetails(
  { database, hint }: LogReader,
  reach: Reach,
  id: Uuid,
): Promise<AttemptDetails | undefined> {
  const [row, details] = await Promise.all([readAttempt(database, id), readDetails(database, id)])
  if (row === undefined || !(await isWithin(database, reach, row.subscription_id))) return undefined
  return {
    ...attemptOf(row, hint),
    request: details?.request ?? null,
    response: details === undefined ? null : responseOf(details, row.http_status),
    timings_ms: details === undefined ? null : { repeated: false, ...details.timings }, // older rows do not say it
    remote_address: details?.remote_address ?? null,
  }
}

function responseOf(
  { response, response_body: bytes }: StoredDetails,
  status: number | null,
): AttemptDetails['response'] {
  if (response === null || status === null) return null
  const { headers, body_bytes, body_truncated } = response
  return { status, headers, ...shownBody(bytes, body_truncated), body_bytes, body_truncated }
}
