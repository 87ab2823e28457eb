import { parseArgs } from 'node:util'
import { AppError } from '../errors.ts'
import { type Caller, commandLine, localOperator, type Reach } from '../model/caller.ts'
import { databaseClock } from '../platform/database-time.ts'
import { parseUuid, type Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { ReplayFilter, ReplayState } from '../replay/filter.ts'
import { Replays } from '../replay/replays.ts'
import type { ReplayAnswer } from '../replay/schema.ts'
import { type CommandIo, exitCode } from './command.ts'
import { refusedCommand } from './reason.ts'
import {
  Mistake,
  reading,
  readSelection,
  selectionOptions,
  selectionUsage,
  subscriptionOf,
} from './selection-arguments.ts'
import { prepareForChanges, withDatabase } from './with-database.ts'

const usage = `Usage: webhooks replay <what>
  EVENT [--subscription ID]    sends one event again, now
  --failed | --success | --any sends again what matches, in the background: dead letters, what was delivered, or both
  list                         the last replays
  show REPLAY                  how far one has come
  cancel REPLAY                ends one; what it has queued is delivered all the same

${selectionUsage}
  --type TYPE                  only events of exactly this type
  --rate N                     at most N a second; left out: few while fresh events come, many while none do
It works on the database itself, so it needs no key; the running service does the sending`

/** Of which subscription, where it is named by its uid. */
interface Named {
  readonly named?: { readonly uid: string; readonly reach: Reach } | undefined
}

type Wish =
  | ({ readonly kind: 'one'; readonly id: Uuid; readonly subscriptionId: number | undefined } & Named)
  | ({
      readonly kind: 'many'
      readonly filter: ReplayFilter
      readonly rate: number | undefined
      readonly isSure: boolean
      readonly isDryRun: boolean
    } & Named)
  | { readonly kind: 'list' }
  | { readonly kind: 'show' | 'cancel'; readonly id: Uuid }

/** `webhooks replay`: sends again, straight on the database. */
export async function runReplay(args: readonly string[], io: CommandIo): Promise<number> {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) {
    io.out(usage)
    return exitCode.ok
  }
  let wish: Wish
  try {
    wish = readWish(args, Date.now())
  } catch (error) {
    if (!(error instanceof Mistake)) throw error
    io.err(`webhooks replay: ${error.message}\n\n${usage}`)
    return exitCode.usage
  }
  const json = args.includes('--json')
  return withDatabase(io, async (database, config) => {
    await prepareForChanges(database, config)
    const retentionMs = config.logRetentionHours * 3_600_000
    const replays = new Replays({ database, clock: await databaseClock(database), retentionMs })
    try {
      return await carryOut(replays, await withSubscription(database, wish), json, io)
    } catch (error) {
      if (error instanceof AppError) throw refusedCommand(error)
      throw error
    }
  })
}

async function withSubscription(database: Queryable, wish: Wish): Promise<Wish> {
  if (!('named' in wish) || wish.named === undefined) return wish
  const id = await subscriptionOf(database, wish.named.reach, wish.named.uid)
  if (wish.kind === 'one') return { ...wish, subscriptionId: id }
  return { ...wish, filter: { ...wish.filter, subscription_id: id } }
}

const caller: Caller = { ...localOperator, actor: commandLine }

async function carryOut(replays: Replays, wish: Wish, json: boolean, io: CommandIo): Promise<number> {
  const show = (value: unknown, text: string) => io.out(json ? JSON.stringify(value, null, 2) : text)
  switch (wish.kind) {
    case 'one': {
      const ids = wish.subscriptionId === undefined ? undefined : [wish.subscriptionId]
      const deliveries = await replays.replayEvent(caller, wish.id, ids)
      show({ deliveries }, `${deliveries} deliveries are owed again.`)
      return exitCode.ok
    }
    case 'many':
      return many(replays, wish, show, io)
    case 'list': {
      const rows = await replays.list(caller.reach, lastId, 20)
      show(rows, rows.length === 0 ? 'There are no replays.' : rows.map(line).join('\n'))
      return exitCode.ok
    }
    case 'show':
    case 'cancel': {
      const replay =
        wish.kind === 'show'
          ? await replays.read(caller.reach, wish.id)
          : await replays.cancel(caller, wish.id)
      if (replay !== undefined) show(replay, line(replay))
      else io.err(`There is no replay ${wish.id}. Which there are: webhooks replay list`)
      return replay === undefined ? exitCode.failure : exitCode.ok
    }
  }
}

async function many(
  replays: Replays,
  { filter, rate, isSure, isDryRun }: Extract<Wish, { kind: 'many' }>,
  show: (value: unknown, text: string) => void,
  io: CommandIo,
): Promise<number> {
  if (isSure && !isDryRun) {
    const made = await replays.create(caller, filter, rate)
    show(made, `Made the replay ${made.id}. How far it has come: webhooks replay show ${made.id}`)
    return exitCode.ok
  }
  const count = await replays.count(caller, filter)
  show({ count }, `${count} deliveries match.`)
  if (isDryRun || count === 0) return exitCode.ok
  io.err('Nothing was made. Say --yes to send them again.')
  return exitCode.usage
}

/** Sorts above every id. */
const lastId = 'ffffffff-ffff-ffff-ffff-ffffffffffff' as Uuid // canonical as it stands

function line(replay: ReplayAnswer): string {
  const { id, state, created_at, total, queued, delivered, failed, skipped, gone } = replay
  const rest = [
    failed > 0 && `${failed} failed`,
    skipped > 0 && `${skipped} skipped`,
    gone > 0 && `${gone} gone`,
  ]
  const counts = [`${delivered} delivered`, ...rest.filter(Boolean)].join(', ')
  return `${id}  ${state}  ${created_at}  ${queued} of ${total ?? '?'} queued: ${counts}`
}

const options = {
  ...selectionOptions,
  failed: { type: 'boolean' },
  success: { type: 'boolean' },
  any: { type: 'boolean' },
  type: { type: 'string' },
  rate: { type: 'string' },
} as const

/** @throws Mistake */
function readWish(args: readonly string[], now: number): Wish {
  const { values, positionals } = reading(() =>
    parseArgs({ args: [...args], allowPositionals: true, options }),
  )
  const selection = readSelection(values, now)
  const [what, ...more] = positionals
  const { uid, reach } = selection
  const named = uid === undefined ? undefined : { uid, reach }
  if (what !== undefined) return readOne(what, more, selection.subscriptionId, named)
  const states = (['failed', 'success', 'any'] as const).filter(state => values[state] === true)
  const [state] = states
  if (state === undefined || states.length > 1)
    throw new Mistake('Give the id of an event, or one of --failed, --success and --any.')
  if (values.rate !== undefined && !/^[1-9]\d{0,4}$/.test(values.rate))
    throw new Mistake('Give --rate as a number of deliveries a second, such as 50.')
  return {
    kind: 'many',
    filter: filterOf(state, selection, values.tenant, values.type),
    rate: values.rate === undefined ? undefined : Number(values.rate),
    isSure: selection.isSure,
    isDryRun: selection.isDryRun,
    named,
  }
}

function filterOf(
  state: ReplayState,
  { subscriptionId, since, until }: ReturnType<typeof readSelection>,
  tenant: string | undefined,
  type: string | undefined,
): ReplayFilter {
  const text = (ms: number) => new Date(ms).toISOString()
  return {
    state,
    ...(subscriptionId !== undefined && { subscription_id: subscriptionId }),
    ...(tenant !== undefined && { tenant }),
    ...(type !== undefined && { event_type: type }),
    ...(since !== undefined && { since: text(since) }),
    ...(until !== undefined && { until: text(until) }),
  }
}

function readOne(
  what: string,
  more: readonly string[],
  subscriptionId: number | undefined,
  named: Named['named'],
): Wish {
  if (what === 'list' && more.length === 0) return { kind: 'list' }
  if (what === 'show' || what === 'cancel') {
    const id = parseUuid(more[0] ?? '')
    if (id !== undefined && more.length === 1) return { kind: what, id }
    throw new Mistake('Give the id of one replay, as `webhooks replay list` shows it.')
  }
  const id = parseUuid(what)
  if (id !== undefined && more.length === 0) return { kind: 'one', id, subscriptionId, named }
  throw new Mistake(`"${what}" is no id of an event, which is a UUID, and none of list, show and cancel.`)
}
