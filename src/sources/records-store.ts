import type { Queryable } from '../platform/postgres.ts'

/** What came to a source since it was last written. Times are Unix milliseconds. */
export interface SourceTally {
  readonly id: number
  readonly accepted: number
  readonly repeated: number
  readonly refused: number
  readonly lastAcceptedAt: number | null
  readonly lastRefusedAt: number | null
  /** Refused since the last one that was accepted. */
  readonly inARow: number
  readonly inARowSince: number | null
  readonly lastReason: string | null
}

/** A source of which its owner is to be told that it refuses what comes. */
export interface RejectingRow {
  readonly id: number
  readonly tenant: string
  readonly name: string
  readonly preset: string
  readonly last_reason: string
  readonly refused_in_a_row: number
  readonly refusing_since: Date
}

/**
 * Adds up what came. In the order of ids, so that two processes do not wait for each other in a circle.
 *
 * @param tell from how many refusals in a row on their owner is told, and how long after the last time at the earliest
 * @returns those that are to be told of; they are marked
 */
export async function addTallies(
  tx: Queryable,
  tallies: readonly SourceTally[],
  tell: { readonly refused: number; readonly againMs: number },
): Promise<readonly RejectingRow[]> {
  const { rows } = await tx.query<RejectingRow>({
    text: `
      with came as (
        select * from jsonb_to_recordset($1) as t (id int, accepted bigint, repeated bigint, refused bigint,
          "lastAcceptedAt" float8, "lastRefusedAt" float8, "inARow" bigint, "inARowSince" float8, "lastReason" text)),
      before as materialized (
        select s.id, s.told_at, s.refusing_since, s.refused_in_a_row from sources s where s.id in (select id from came) order by s.id for update),
      added as (
        select b.id, c.accepted, c.repeated, c.refused, to_timestamp(c."lastAcceptedAt" / 1000) as accepted_at,
          to_timestamp(c."lastRefusedAt" / 1000) as refused_at, c."lastReason" as reason,
          case when c."inARow" = 0 and c.accepted = 0 then b.refusing_since
               when c.accepted = 0 and b.refusing_since is not null then b.refusing_since
               else to_timestamp(c."inARowSince" / 1000) end as since,
          case when c.accepted > 0 then 0 else b.refused_in_a_row end + c."inARow" as total, b.told_at
        from before b join came c using (id)),
      told as (
        select a.*, a.total >= $2 and (a.told_at is null
            or (a.told_at < a.since and a.told_at < now() - $3 * interval '1 millisecond')) as is_to_tell
        from added a)
      update sources s set accepted = s.accepted + t.accepted, repeated = s.repeated + t.repeated,
        refused = s.refused + t.refused, last_accepted_at = coalesce(t.accepted_at, s.last_accepted_at),
        last_refused_at = coalesce(t.refused_at, s.last_refused_at), refused_in_a_row = t.total,
        refusing_since = t.since, last_reason = coalesce(t.reason, s.last_reason),
        told_at = case when t.is_to_tell then now() else s.told_at end
      from told t where s.id = t.id
      returning s.id, s.tenant, s.name, s.preset, s.last_reason, s.refused_in_a_row::float8 as refused_in_a_row,
        s.refusing_since, t.is_to_tell`,
    values: [JSON.stringify(tallies), tell.refused, tell.againMs],
  })
  return rows.filter(row => (row as RejectingRow & { readonly is_to_tell: boolean }).is_to_tell)
}
