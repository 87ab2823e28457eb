import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { settings } from './settings.ts'

// What looks like a setting and is none would otherwise have no effect, and nobody would be told.

type Variables = Readonly<Record<string, string | undefined>>

const all = Object.values(settings)
const known: ReadonlySet<string> = new Set(
  all.flatMap(({ variable, secret }) => (secret ? [variable, `${variable}_FILE`] : [variable])),
)

/** How the names of settings begin that belong together. Other programs have no variables with these beginnings. */
export const families = [
  ...[
    'ALLOWED_TARGET_',
    'CAPTURE_',
    'CIRCUIT_',
    'DATABASE_',
    'DELIVERY_',
    'DENIED_TARGET_',
    'DETAILS_',
    'EGRESS_',
  ],
  ...['ENCRYPTION_', 'INGEST_', 'LOG_', 'REDIS_', 'SHUTDOWN_', 'SUBSCRIPTION_'],
] as const

/** Kubernetes, and Docker with links, tell each container of others: REDIS_PORT_6379_TCP, DATABASE_SERVICE_HOST. */
const toldByOthers = /_(SERVICE_(HOST|PORT)|PORT)(_|$)/

/** A sentence for each variable that looks like a setting of this service and is none. */
export function ignoredVariables(environment: Variables): string[] {
  return Object.entries(environment).flatMap(([variable, value]) => {
    if (known.has(variable) || value === undefined) return []
    const advice = adviceOn(variable)
    return advice === undefined ? [] : [`${variable} is not a setting and has no effect; ${advice}`]
  })
}

function adviceOn(variable: string): string | undefined {
  const upper = variable.toUpperCase()
  const own = /^WEBHOOKS?_(.+)$/.exec(upper)?.[1] ?? upper
  const meant = known.has(own) ? own : [...known].find(name => isNearly(own, name))
  if (meant !== undefined) return `did you mean ${meant}?`
  const stem = own.endsWith('_FILE') ? own.slice(0, -'_FILE'.length) : undefined
  if (stem !== undefined && known.has(stem)) return `only secrets are read from files. Set ${stem}.`
  const isOurs = own !== upper || families.some(beginning => upper.startsWith(beginning))
  return isOurs && !toldByOthers.test(upper) ? 'all settings: webhooks config docs' : undefined
}

/**
 * A sentence about a `.env` file with settings that are not set: nothing reads it. Those that are set, to whatever value,
 * do not count: programs that read such a file let the environment go before it.
 *
 * @returns undefined when there is no such file, or nothing in it that is missing
 */
export async function ignoredEnvFile(folder: string, environment: Variables): Promise<string | undefined> {
  const text = await readFile(join(folder, '.env'), 'utf8').catch(() => '')
  const missing = Object.entries(parseEnv(text))
    .filter(([variable, value]) => known.has(variable) && value && !environment[variable])
    .map(([variable]) => variable)
  if (missing.length === 0) return undefined
  return (
    `The file .env in this folder is not read, so these have no effect: ${missing.join(', ')}. Docker Compose reads it; ` +
    'to use it here, start with: node --env-file=.env bin/webhooks.js'
  )
}

/** At most one wrong letter in a short name and three in a long one. HOME is not HOST; LOG_RETENTION_HOUR is misspelt. */
function isNearly(given: string, known: string): boolean {
  const slips = known.length < 8 ? 1 : Math.min(3, Math.floor(known.length / 4))
  return Math.abs(given.length - known.length) <= slips && distance(given, known) <= slips
}

/** Levenshtein's distance: how many letters must be inserted, removed or changed. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (const [index, letter] of [...a].entries()) {
    const next = [index + 1]
    for (const [column, other] of [...b].entries()) {
      const changed = (row[column] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(changed, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
