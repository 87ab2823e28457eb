import { parseArgs } from 'node:util'
import { type Caller, commandLine, localOperator } from '../model/caller.ts'
import { errorClasses } from '../model/outcome.ts'
import type { Database } from '../platform/postgres.ts'
import {
  type DeliveryKey,
  type DeliveryQuery,
  type DeliveryState,
  deliveryStates,
  listDeliveries,
} from '../replay/deliveries.ts'
import { discardDeliveries } from '../replay/discard.ts'
import { type CommandIo, exitCode } from './command.ts'
import {
  Mistake,
  reading,
  readSelection,
  type SelectionArguments,
  selectionOptions,
  selectionUsage,
  subscriptionOf,
} from './selection-arguments.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

const usage = `Usage: webhooks deliveries <what>
  list [--limit N]             what is owed and what is dead, of the newest events first
  discard                      ends it: it is not sent, and is a dead letter no more

  --state STATES               pending, failed, or both with a comma between (as without it); list: success, cancelled, too
  --error-class CLASS          only those whose last attempt failed in this way: ${errorClasses.join(', ')}
${selectionUsage}
It works on the database itself, so it needs no key`

interface Wish extends SelectionArguments {
  readonly kind: 'list' | 'discard'
  readonly query: DeliveryQuery
  readonly limit: number
}

/** `webhooks deliveries list|discard`, straight on the database. */
export async function runDeliveries(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) {
    io.out(usage)
    return exitCode.ok
  }
  let wish: Wish
  try {
    wish = readWish(args, Date.now())
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    io.err(`webhooks deliveries: ${error.message}\n\n${usage}`)
    return exitCode.usage
  }
  return withDatabase(io, async (database, config) => {
    await prepareForChanges(database, config)
    const { uid, reach, query } = wish
    const subscriptionId =
      uid === undefined ? query.subscriptionId : await subscriptionOf(database, reach, uid)
    const found = { ...wish, query: { ...query, subscriptionId } }
    return wish.kind === 'list' ? list(database, found, io) : discard(database, found, io)
  })
}

async function list(database: Database, wish: Wish, io: CommandIo): Promise<number> {
  const rows: Awaited<ReturnType<typeof listDeliveries>>['rows'][number][] = []
  let after: DeliveryKey | undefined
  do {
    const page = await listDeliveries(database, wish.reach, wish.query, wish.limit - rows.length, after)
    rows.push(...page.rows)
    after = page.next
  } while (after !== undefined && rows.length < wish.limit)
  if (wish.json) io.out(JSON.stringify(rows, null, 2))
  else if (rows.length === 0) io.out('There are none.')
  else {
    const due = (at: Date | null) => (at === null ? '' : `  next ${at.toISOString()}`)
    io.out(
      rows
        .map(
          row =>
            `${row.webhook_id}  subscription ${row.subscription_id}  ${row.state}  ${row.attempt ?? 0} attempts${due(row.due_at)}  ${row.error ?? ''}`,
        )
        .join('\n'),
    )
    if (after !== undefined) io.err(`There are more. Give a --limit above ${wish.limit}, or narrow it.`)
  }
  return exitCode.ok
}

async function discard(database: Database, wish: Wish, io: CommandIo): Promise<number> {
  const caller: Caller = { ...localOperator, actor: commandLine, reach: wish.reach }
  const isDryRun = wish.isDryRun || !wish.isSure
  const { count } = await discardDeliveries(database, caller, wish.query, isDryRun, () => true)
  if (wish.json) io.out(JSON.stringify({ count }))
  else io.out(isDryRun ? `${count} deliveries match.` : `${count} deliveries have ended as cancelled.`)
  if (!isDryRun || wish.isDryRun || count === 0) return exitCode.ok
  io.err('Nothing was changed. Say --yes to discard them.')
  return exitCode.usage
}

const options = {
  ...selectionOptions,
  state: { type: 'string' },
  'error-class': { type: 'string' },
  limit: { type: 'string' },
} as const

/** @throws Mistake */
function readWish(args: readonly string[], now: number): Wish {
  const [kind, ...rest] = args
  if (kind !== 'list' && kind !== 'discard')
    throw new Mistake(kind === undefined ? 'Say what to do.' : `It cannot ${kind}.`)
  const { values } = reading(() => parseArgs({ args: rest, options }))
  const selection = readSelection(values, now)
  const states = [...new Set((values.state ?? 'pending,failed').split(','))]
  const known = states.filter((state): state is DeliveryState => deliveryStates.some(one => one === state))
  if (known.length < states.length)
    throw new Mistake(`Give --state as one or several of ${deliveryStates.join(', ')}.`)
  if (kind === 'discard' && known.some(state => state !== 'pending' && state !== 'failed'))
    throw new Mistake('What has been delivered, or has ended as cancelled, cannot be discarded.')
  const errorClass = errorClasses.find(one => one === values['error-class'])
  if (values['error-class'] !== undefined && errorClass === undefined)
    throw new Mistake(`Give --error-class as one of ${errorClasses.join(', ')}.`)
  if (values.limit !== undefined && !/^[1-9]\d{0,5}$/.test(values.limit))
    throw new Mistake('Give --limit as a number of rows, such as 100.')
  const { subscriptionId, since, until } = selection
  return {
    ...selection,
    kind,
    query: { states: known, subscriptionId, errorClass, since, until },
    limit: Number(values.limit ?? 50),
  }
}
