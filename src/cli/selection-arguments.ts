import { AppError } from '../errors.ts'
import { timePattern, uidIn } from '../http/parameters.ts'
import { Reach } from '../model/caller.ts'
import type { Queryable } from '../platform/postgres.ts'
import { idOfUid } from '../subscriptions/by-uid.ts'
import { refusedCommand } from './reason.ts'

/** An argument is wrong: in a sentence. */
export class Mistake extends Error {}

/** The options by which commands select deliveries, for `parseArgs`. */
export const selectionOptions = {
  subscription: { type: 'string' },
  tenant: { type: 'string' },
  since: { type: 'string' },
  until: { type: 'string' },
  'dry-run': { type: 'boolean' },
  yes: { type: 'boolean' },
  json: { type: 'boolean' },
} as const

export const selectionUsage = `  --subscription ID            or uid:NAME, which is one of the tenant; of the tenant default unless you name another
  --tenant TENANT
  --since TIME, --until TIME   of the acceptance of the events: 30m, 2h or 3d ago, or 2026-01-31T12:00:00Z
  --dry-run                    only counts
  --yes                        does it; without it the command counts, and asks for it
  --json                       for programs`

export interface SelectionArguments {
  readonly subscriptionId: number | undefined
  /** Where the subscription is named by its uid; then there is no id. */
  readonly uid: string | undefined
  readonly reach: Reach
  /** Unix milliseconds. */
  readonly since: number | undefined
  readonly until: number | undefined
  readonly isDryRun: boolean
  readonly isSure: boolean
  readonly json: boolean
}

/** The values of `selectionOptions`. @throws Mistake */
export function readSelection(
  values: Readonly<Partial<Record<keyof typeof selectionOptions, string | boolean>>>,
  now: number,
): SelectionArguments {
  const { subscription, tenant, since, until } = values
  const uid = subscription === undefined ? undefined : uidIn(String(subscription))
  if (subscription !== undefined && uid === undefined && !/^[1-9]\d{0,8}$/.test(String(subscription)))
    throw new Mistake('Give --subscription as the id of one, such as 1, or as uid:NAME.')
  if (tenant !== undefined && !/^[a-z0-9][a-z0-9_-]{0,62}$/.test(String(tenant)))
    throw new Mistake('Give --tenant as the id of a tenant.')
  const from = since === undefined ? undefined : readMoment(String(since), now)
  const to = until === undefined ? undefined : readMoment(String(until), now)
  if (from !== undefined && from >= (to ?? now)) throw new Mistake('Give a --since that is before --until.')
  return {
    subscriptionId: subscription === undefined || uid !== undefined ? undefined : Number(subscription),
    uid,
    reach: tenant === undefined ? Reach.all : Reach.of(String(tenant)),
    since: from,
    until: to,
    isDryRun: values['dry-run'] === true,
    isSure: values.yes === true,
    json: values.json === true,
  }
}

const unitsMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** How long ago, or a moment. @throws Mistake */
function readMoment(text: string, now: number): number {
  const [, amount, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (amount !== undefined) return now - Number(amount) * (unitsMs[unit] ?? 0)
  const ms = new RegExp(timePattern).test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new Mistake(`"${text}" is no time: 2h for two hours ago, or 2026-01-31T12:00:00Z.`)
}

/** Reads arguments with `parseArgs`, whose errors become mistakes. */
export function reading<Arguments>(read: () => Arguments): Arguments {
  try {
    return read()
  } catch (error) {
    // Its first sentence names the argument.
    const message = error instanceof Error ? error.message : String(error)
    throw new Mistake(`${message.split(/\.\s|\n/, 1)[0]}.`)
  }
}

/** @throws StartupError when there is none */
export async function subscriptionOf(db: Queryable, reach: Reach, uid: string): Promise<number> {
  try {
    return await idOfUid(db, reach, uid)
  } catch (error) {
    if (error instanceof AppError) throw refusedCommand(error)
    throw error
  }
}
