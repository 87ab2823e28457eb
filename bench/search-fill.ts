import { partitionMs } from '../src/log/partitions.ts'
import { uuidLowerBound } from '../src/platform/id.ts'
import type { Database } from '../src/platform/postgres.ts'

const hourMs = partitionMs(72)

/** Of a hundred events 90 are of the default tenant, 9 of `large` and 1 is of one of 1,000 small ones. */
const tenant = `case when n % 100 < 90 then 'default' when n % 100 < 99 then 'large' else 'small-' || n % 1000 end`

export interface Filling {
  readonly events: number
  readonly hours: number
  /** Of how many events one is owed, and of how many one has failed for good. */
  readonly oneOwedIn: number
  readonly oneDeadIn: number
}

/** An hour of events at a time, each with an attempt in the log. */
export async function fillWithEvents(
  database: Database,
  { events, hours, oneOwedIn, oneDeadIn }: Filling,
): Promise<void> {
  const first = Math.floor(Date.now() / hourMs) * hourMs - hours * hourMs
  const each = Math.ceil(events / hours)
  for (let hour = 0; hour < hours; hour++) {
    const from = first + hour * hourMs
    const bounds = `for values from ('${uuidLowerBound(from)}') to ('${uuidLowerBound(from + hourMs)}')`
    const name = new Date(from).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')
    for (const table of ['events', 'delivery_logs']) {
      await database.query({ text: `create unlogged table ${table}_${name} (like ${table} including all)` })
    }
    const id = (offsetMs: number) =>
      `(select overlay(overlay(lpad(to_hex(${from}::bigint + ${offsetMs} + (n::bigint * 3500000 / ${each})), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0') placing '-' from 9 for 0) placing '-' from 14 for 0)::uuid)`
    await database.query({
      text: `insert into events_${name} (webhook_id, tenant, event_type, content_type, payload, subscription_ids)
             select ${id(0)}, ${tenant}, 'type-' || n % 50, 'application/json', '\\x7b7d', array[1 + n % 1000]
             from generate_series(1, ${each}) n`,
    })
    await database.query({
      text: `insert into delivery_logs_${name} (id, webhook_id, subscription_id, attempt, status, verdict, error_class)
             select ${id(1000)}, ${id(0)}, 1 + n % 1000, 1,
               (case when n % ${oneDeadIn} = 0 then 'failed' else 'success' end)::attempt_status,
               (case when n % ${oneDeadIn} = 0 then 'given_up' else 'delivered' end)::attempt_verdict,
               case when n % ${oneDeadIn} = 0 then case when n % ${oneDeadIn * 1000} = 0 then 'tls' else 'http' end end
             from generate_series(1, ${each}) n where n % ${oneOwedIn} <> 1`,
    })
    await database.query({
      text: `insert into owed (webhook_id, subscription_id, due_at, size_bytes, owner)
             select ${id(0)}, 1 + n % 1000, now(), 2, 1 from generate_series(1, ${each}) n where n % ${oneOwedIn} = 1`,
    })
    for (const table of ['events', 'delivery_logs']) {
      await database.query({ text: `alter table ${table} attach partition ${table}_${name} ${bounds}` })
    }
    if (hour % 6 === 5) console.error(`${hour + 1} of ${hours} hours filled`)
  }
  for (const table of ['events', 'delivery_logs', 'owed']) await database.query({ text: `analyze ${table}` })
}
