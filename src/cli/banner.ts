import type { Config } from '../config/config.ts'

/** What a start has to show. */
export interface StartFacts {
  /** Where it listens. */
  readonly url: string
  readonly databaseDescription: string
  /** Where the API key is that was made because there was none; it is never shown here, where logs are kept. */
  readonly firstKeyFile?: string | undefined
}

/**
 * The text after a start: the mode, the addresses, and what to do first.
 *
 * @param children the pids of the processes under a supervisor
 */
export function banner(
  config: Config,
  facts: StartFacts,
  version: string,
  children: readonly number[] = [],
): string {
  const { url, databaseDescription, firstKeyFile } = facts
  const { role } = config
  const lines = [
    `Webhook Delivery Service ${version} is ready on ${url}`,
    '',
    ...(config.uiEnabled && role !== 'worker' ? [`  dashboard  ${url}${config.basePath}/ui/`] : []),
    `  database   ${databaseDescription}`,
    `  mode       ${modeText(config)}`,
  ]
  if (role !== 'all') lines.push(`  role       ${roleTexts[role]}`)
  if (children.length > 0)
    lines.push(`  processes  ${children.length}, sharing the port (${children.join(', ')})`)
  if (role === 'worker') lines.push(`  health     ${url}/readyz`, '')
  else lines.push(`  API docs   ${url}/docs`, '')
  if (firstKeyFile !== undefined) lines.push(keyNotice(firstKeyFile), '')
  if (role !== 'worker') lines.push(...firstSteps(config, url), '')
  lines.push('Ctrl-C stops it; what is owed is kept and goes on at the next start.')
  return lines.join('\n')
}

/** The text that says where the first API key is. */
export function keyNotice(file: string): string {
  return [
    'This is the first start with API keys on. Your key is in a file that only you can read:',
    '',
    `  KEY=$(cat ${/^[\w./-]+$/.test(file) ? file : `'${file.replaceAll("'", `'\\''`)}'`})`,
    '',
    'Send it as  Authorization: Bearer $KEY  with every request. How to replace it: docs/guides/tenants-and-keys.md',
  ].join('\n')
}

const roleTexts = {
  api: 'api (accepts events and serves the API; workers deliver)',
  worker: 'worker (delivers what others accept)',
} as const

function firstSteps(config: Config, url: string): readonly string[] {
  const key = config.auth === 'keys' ? ` -H "Authorization: Bearer $KEY"` : ''
  const json = '-H "Content-Type: application/json"'
  return [
    'Try it, with a receiver that is a part of the service:',
    `  URL=$(curl -s${key} -d '{}' ${json} ${url}/test-receivers | grep -o 'http[^"]*/t/[^"]*')`,
    `  curl${key} -d '{"target_url":"'$URL'"}' ${json} ${url}/subscriptions/`,
    `  curl${key} -d '{"data":{"foo":"bar"}}' ${json} ${url}/ingest/1`,
    `  curl${key} ${url}/test-receivers/1/requests`,
  ]
}

function modeText(config: Config): string {
  const open =
    config.auth === 'none' ? 'no API keys: whoever reaches it is the operator' : 'API keys required'
  return config.mode === 'local' ? `local (${open})` : `server (${open})`
}
