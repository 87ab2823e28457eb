import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { environmentOfProcess, readConfig } from '../config/config.ts'
import { firstKeyFile } from '../keys/first-key.ts'
import { shownServerUrl } from '../platform/server-url.ts'
import { type CommandIo, exitCode } from './command.ts'
import { isServerUrl, ownUrl } from './own-url.ts'
import { readStream, StreamRefused } from './stream-reader.ts'
import { streamSentence } from './stream-sentences.ts'

const usage = `Usage: webhooks tail [url] [options]
  Shows what happens at a running service, as it happens: events accepted, attempts, states of subscriptions.
  Without a url it asks the one on this machine, on the PORT of the settings.
  --tenant TENANT         only of this tenant
  --subscription ID       only of this subscription; uid:NAME is one by its uid
  --type TYPE             only events of this type and their attempts; order.* is a pattern
  --kind KIND             accepted, attempt, subscription, received; several with commas between
  --status STATUS         only attempts that ended so: success or failed
  --after ID              begins after this id, which --json shows; else with what happens from now on
  --json                  one JSON object on each line: kind, id, data
  The API key is that in the variable API_KEY, else the first key in DATA_DIR, where this can be read.`

/** An option, and the parameter of `GET /stream` that it is. */
const parameters = {
  tenant: 'tenant',
  subscription: 'subscription_id',
  type: 'event_type',
  kind: 'kind',
  status: 'status',
} as const

type Wish =
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly sentence: string }
  | {
      readonly kind: 'tail'
      readonly url: string | undefined
      readonly query: Readonly<Record<string, string>>
      readonly after: string | undefined
      readonly json: boolean
    }

/** `webhooks tail`: reads the event stream until it is interrupted. @param signal ends it, too */
export async function runTail(
  args: readonly string[],
  io: CommandIo,
  signal: AbortSignal = new AbortController().signal,
): Promise<number> {
  const wish = readTailArguments(args)
  if (wish.kind === 'help') {
    io.out(usage)
    return exitCode.ok
  }
  if (wish.kind === 'mistake') {
    io.err(`webhooks tail: ${wish.sentence}\n\n${usage}`)
    return exitCode.usage
  }
  const config = readConfig(io.environment)
  const base = wish.url ?? ownUrl(config, '')
  if (base === undefined || !isServerUrl(base)) {
    const sentence = `"${base}" is no URL of a service. Give it whole, such as http://localhost:8000.`
    io.err(base === undefined ? 'PORT=0 takes any free port, so give the URL to ask.' : sentence)
    return exitCode.usage
  }
  const url = new URL(`${base.replace(/\/+$/, '')}/stream`)
  for (const [name, value] of Object.entries(wish.query)) url.searchParams.set(name, value)
  const key = (io.environment ?? environmentOfProcess()).API_KEY ?? (await keptKey(config.dataDir))
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` }
  const note = (sentence: string) => io.err(sentence)
  try {
    const events = readStream({ url, headers, lastId: wish.after, signal, note })
    for await (const { event, id, data } of events)
      io.out(wish.json ? JSON.stringify({ kind: event, id, data }) : streamSentence(event, data))
    return exitCode.ok
  } catch (error) {
    if (signal.aborted) return exitCode.ok
    if (!(error instanceof StreamRefused)) throw error
    io.err(`${shownServerUrl(url.href)}: ${error.message}`)
    return exitCode.failure
  }
}

/** The key of the first start on this machine, if it is there and may be read. */
async function keptKey(dataDir: string): Promise<string | undefined> {
  const text = await readFile(firstKeyFile(dataDir), 'utf8').catch(() => '')
  return text.trim() || undefined
}

function readTailArguments(args: readonly string[]): Wish {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) return { kind: 'help' }
  const mistake = (sentence: string): Wish => ({ kind: 'mistake', sentence })
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        tenant: { type: 'string' },
        subscription: { type: 'string' },
        type: { type: 'string' },
        kind: { type: 'string' },
        status: { type: 'string' },
        after: { type: 'string' },
        json: { type: 'boolean' },
      },
    })
    const [url, ...others] = positionals
    if (others.length > 0) return mistake('Give one URL.')
    const given = Object.entries(parameters).flatMap(([option, parameter]) => {
      const value = values[option as keyof typeof parameters] // a key of the object above
      return value === undefined ? [] : [[parameter, value] as const]
    })
    return {
      kind: 'tail',
      url,
      query: Object.fromEntries(given),
      after: values.after,
      json: values.json === true,
    }
  } catch (error) {
    // The first sentence of the error of `parseArgs` names the argument.
    const message = error instanceof Error ? error.message : String(error)
    return mistake(`${message.split(/\.\s|\n/, 1)[0]}.`)
  }
}
