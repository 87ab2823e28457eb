import { parseArgs } from 'node:util'
import { AppError } from '../errors.ts'
import { ManagedKeys } from '../keys/managed-keys.ts'
import type { KeyAnswer } from '../keys/schema.ts'
import { type Caller, commandLine, type KeyScope, keyScopes, localOperator, Reach } from '../model/caller.ts'
import { databaseClock } from '../platform/database-time.ts'
import { migrate } from '../platform/migrate.ts'
import { type CommandIo, exitCode } from './command.ts'
import { refusedCommand } from './reason.ts'
import { withDatabase } from './with-database.ts'

const usage = `Usage: webhooks keys <what>
  create --name NAME --scope SCOPE [--tenant TENANT] [--expires-in TIME]
                   makes a key, and prints it and nothing else on standard output
  list [--tenant TENANT] [--json]
                   all keys, newest first, without their secret texts
  revoke ID        ends a key, also the last one; running processes hear of it within a second

  SCOPE            admin (everything), tenant (everything of one tenant), publish (send its events), read
  TENANT           needed for tenant and publish; read without one reads all tenants
  TIME             such as 90d, 12h or 30m; without it the key never ends
It works on the database itself, so it needs no key. Settings come from the environment: webhooks config docs`

const caller: Caller = { ...localOperator, actor: commandLine }

type Wish =
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly sentence: string }
  | {
      readonly kind: 'create'
      readonly name: string
      readonly scope: KeyScope
      readonly tenant: string | null
      readonly expiresInMs: number | null
    }
  | { readonly kind: 'list'; readonly tenant: string | undefined; readonly json: boolean }
  | { readonly kind: 'revoke'; readonly id: number }

/** `webhooks keys create|list|revoke`, straight on the database: it works when the only key was lost. */
export async function runKeys(args: readonly string[], io: CommandIo): Promise<number> {
  const wish = readKeysArguments(args)
  switch (wish.kind) {
    case 'help':
      io.out(usage)
      return exitCode.ok
    case 'mistake':
      io.err(`webhooks keys: ${wish.sentence}\n\n${usage}`)
      return exitCode.usage
    case 'create':
    case 'list':
    case 'revoke':
      return withDatabase(io, async database => {
        await migrate(database)
        const clock = await databaseClock(database)
        const keys = new ManagedKeys({ database, clock })
        if (wish.kind === 'create') return create(keys, wish, clock.now(), io)
        return wish.kind === 'list' ? list(keys, wish, io) : revoke(keys, wish.id, io)
      })
  }
}

async function create(
  keys: ManagedKeys,
  { name, scope, tenant, expiresInMs }: Extract<Wish, { kind: 'create' }>,
  now: number,
  io: CommandIo,
): Promise<number> {
  const expires_at = expiresInMs === null ? null : new Date(now + expiresInMs).toISOString()
  try {
    const { key, ...made } = await keys.create(caller, { name, scope, tenant, expires_at })
    io.err(`Made the key ${describe(made)}. It is shown this once:`)
    io.out(key)
    return exitCode.ok
  } catch (error) {
    if (error instanceof AppError) throw refusedCommand(error)
    throw error
  }
}

async function list(
  keys: ManagedKeys,
  { tenant, json }: Extract<Wish, { kind: 'list' }>,
  io: CommandIo,
): Promise<number> {
  const reach = tenant === undefined ? Reach.all : Reach.of(tenant)
  const found: KeyAnswer[] = []
  for (let before: number | undefined; ; ) {
    const page = await keys.list(reach, { limit: 250, before })
    found.push(...page)
    before = page.at(-1)?.id
    if (page.length < 250) break
  }
  if (json) io.out(JSON.stringify(found, null, 2))
  else if (found.length === 0)
    io.out('There are no keys. Make one: webhooks keys create --name admin --scope admin')
  else io.out(found.map(describe).join('\n'))
  return exitCode.ok
}

async function revoke(keys: ManagedKeys, id: number, io: CommandIo): Promise<number> {
  if (!(await keys.revoke(caller, id))) {
    io.err(`There is no key ${id}. Which there are: webhooks keys list`)
    return exitCode.failure
  }
  io.out(`Revoked key ${id}.`)
  if (!(await keys.hasAdmin()))
    io.err('No valid key with scope admin is left. Make one: webhooks keys create --name admin --scope admin')
  return exitCode.ok
}

function describe(key: KeyAnswer): string {
  const whose = key.tenant === null ? '' : ` of tenant ${key.tenant}`
  const end = key.expires_at === null ? 'never ends' : `ends ${key.expires_at}`
  const used = key.last_used_at === null ? 'never used' : `last used ${key.last_used_at}`
  return `${key.id}  ${key.prefix}…  ${key.scope}${whose}  ${end}  ${used}  ${key.name}`
}

const unitsMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 }

function readKeysArguments(args: readonly string[]): Wish {
  const [what, ...rest] = args
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) return { kind: 'help' }
  const mistake = (sentence: string): Wish => ({ kind: 'mistake', sentence })
  try {
    if (what === 'create') {
      const options = {
        name: { type: 'string' },
        scope: { type: 'string' },
        tenant: { type: 'string' },
        'expires-in': { type: 'string' },
      } as const
      const { values } = parseArgs({ args: rest, options })
      const { name = '', tenant = null, 'expires-in': expiresIn } = values
      if (name === '' || name.length > 200) return mistake('Give a --name of 1 to 200 characters.')
      const scope = keyScopes.find(one => one === values.scope)
      if (scope === undefined) return mistake(`Give a --scope: ${keyScopes.join(', ')}.`)
      const [, amount, unit = ''] = /^(\d{1,5})([mhd])$/.exec(expiresIn ?? '') ?? []
      const expiresInMs = amount === undefined ? null : Number(amount) * (unitsMs[unit] ?? 0)
      if (expiresIn !== undefined && !expiresInMs) return mistake('Give --expires-in as 90d, 12h or 30m.')
      return { kind: 'create', name, scope, tenant, expiresInMs }
    }
    if (what === 'list') {
      const options = { tenant: { type: 'string' }, json: { type: 'boolean' } } as const
      const { values } = parseArgs({ args: rest, options })
      return { kind: 'list', tenant: values.tenant, json: values.json === true }
    }
    if (what === 'revoke') {
      const [id = '', ...others] = rest
      if (!/^[1-9]\d{0,8}$/.test(id) || others.length > 0)
        return mistake('Give the id of one key, as `webhooks keys list` shows it.')
      return { kind: 'revoke', id: Number(id) }
    }
    return mistake(what === undefined ? 'Say what to do.' : `It cannot ${what}.`)
  } catch (error) {
    // The first sentence of the error of `parseArgs` names the argument.
    const message = error instanceof Error ? error.message : String(error)
    return mistake(`${message.split(/\.\s|\n/, 1)[0]}.`)
  }
}
