import type { StatsTotals } from '../api/schema.ts'

const words: Readonly<Record<string, string>> = {
  http: 'answers with an error',
  timeout: 'does not answer in time',
  connect: 'takes no connection',
  dns: 'its name is not found',
  tls: 'TLS fails',
  blocked: 'its address is not allowed',
  invalid: 'its answer is no HTTP',
  proxy: 'the proxy fails',
  credentials: 'no access token',
}

/** In which way most of the attempts failed that did; undefined where none did. */
export function mostWords(totals: Pick<StatsTotals, 'by_class'> | undefined): string | undefined {
  const most = Object.entries(totals?.by_class ?? {}).sort(([, a], [, b]) => b - a)[0]
  return most === undefined || most[1] === 0 ? undefined : (words[most[0]] ?? most[0])
}

/** What the service advises, in the words of the dashboard: its forms call the `target_url` the address. */
export function adviceOf(hint: string): string {
  return hint.replaceAll('the target_url', 'the address')
}
