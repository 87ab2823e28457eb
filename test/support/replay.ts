import { recordAttempts } from '../../src/log/store.ts'
import type { VerdictWord } from '../../src/model/verdict.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { type Uuid, uuidV7Source } from '../../src/platform/id.ts'
import type { Queryable } from '../../src/platform/postgres.ts'
import { owe } from './rows.ts'

const newId = uuidV7Source(systemClock())

/** Subscriptions that are there, with their lanes. */
export async function subscribe(
  db: Queryable,
  ids: readonly number[],
  { tenant = 'default', paused = false } = {},
): Promise<void> {
  await db.query({
    text: `insert into subscriptions (id, target_url, signing_secrets, tenant, paused)
           select id, 'http://127.0.0.1:9/', '[]', $2, $3 from unnest($1::int[]) as t (id)`,
    values: [ids, tenant, paused],
  })
  await db.query({
    text: 'insert into lanes (subscription_id, held) select id, $2 from unnest($1::int[]) as t (id)',
    values: [ids, paused],
  })
}

/** Ends an attempt of what is owed, as the log does it. */
export async function settle(
  db: Queryable,
  webhookId: Uuid,
  subscriptionId: number,
  attempt: number,
  verdict: VerdictWord,
): Promise<void> {
  await recordAttempts(
    db,
    0,
    [
      {
        id: newId(),
        subscriptionId,
        webhookId,
        timestamp: Date.now(),
        attempt,
        status: verdict === 'delivered' ? 'success' : 'failed',
        verdict,
        httpStatus: verdict === 'delivered' ? 200 : 500,
        durationMs: 1,
        nextAt: null,
        error: verdict === 'delivered' ? null : 'HTTP 500',
        errorClass: verdict === 'delivered' ? null : 'http',
      },
    ],
    [],
  )
}

/** An event of the present whose deliveries have ended, each after one attempt. */
export async function ended(
  db: Queryable,
  verdicts: Readonly<Record<number, VerdictWord>>,
  event: { readonly tenant?: string; readonly eventType?: string } = {},
): Promise<Uuid> {
  const subscriptionIds = Object.keys(verdicts).map(Number)
  const webhookId = await owe(db, { webhookId: newId(), subscriptionIds, ...event })
  for (const [id, verdict] of Object.entries(verdicts)) await settle(db, webhookId, Number(id), 1, verdict)
  return webhookId
}

export interface OwedRun {
  readonly webhook_id: Uuid
  readonly subscription_id: number
  readonly attempt: number
  readonly replay_from: number | null
  readonly trigger: string | null
}

/** All that is owed, in order of its keys. */
export async function owedRuns(db: Queryable): Promise<readonly OwedRun[]> {
  const { rows } = await db.query<OwedRun>({
    text: `select webhook_id, subscription_id, attempt, replay_from, trigger::text from owed
           order by webhook_id, subscription_id`,
  })
  return rows
}
