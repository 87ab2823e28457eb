import type { Service } from '../compose.ts'
import type { Config } from '../config.ts'

/** What is said at start: which mode this is, where things are, and what to do first. */
export function banner(config: Config, service: Service, version: string): string {
  const { url, databaseDescription, firstKey } = service
  const lines = [
    `Webhook Delivery Service ${version} is ready on ${url}`,
    '',
    `  database   ${databaseDescription}`,
    `  mode       ${modeText(config)}`,
    `  API docs   ${url}/docs`,
    '',
  ]
  if (firstKey !== undefined) {
    lines.push(
      'This is the first start with API keys on. Your key, shown this once only:',
      '',
      `  KEY=${firstKey}`,
      '',
      'Send it as  Authorization: Bearer $KEY  with every request.',
      '',
    )
  }
  const key = config.auth === 'keys' ? ` -H "Authorization: Bearer $KEY"` : ''
  lines.push(
    'Try it:',
    `  curl${key} -d '{"target_url":"https://httpbin.org/post"}' -H "Content-Type: application/json" ${url}/subscriptions/`,
    `  curl${key} -d '{"data":{"foo":"bar"}}' -H "Content-Type: application/json" ${url}/ingest/1`,
    `  curl${key} ${url}/logs/1`,
    '',
    'Ctrl-C stops it; what is owed is kept and goes on at the next start.',
  )
  return lines.join('\n')
}

function modeText(config: Config): string {
  const open =
    config.auth === 'none' ? 'no API keys: whoever reaches it is the operator' : 'API keys required'
  return config.mode === 'local' ? `local (${open})` : `server (${open})`
}
