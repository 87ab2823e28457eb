import { parseArgs } from 'node:util'
import type { Environment } from '../config/config.ts'

export const serveUsage = `Usage: webhooks serve [options]
  --role all|api|worker   what this process does: api accepts events and serves the API, worker
                          delivers, all does both (ROLE)
  --processes <number>    how many processes share the port, 1 to 64 (PROCESSES)
  --port <number>         the port to listen on, 0 for any free one (PORT)
  --host <address>        the address to listen on (HOST)
An option overrides the setting in brackets. All settings come from the environment: webhooks config docs`

export type ServeArguments =
  | { readonly kind: 'help' }
  | { readonly kind: 'mistake'; readonly sentence: string }
  /** The environment, overridden by the options. `readConfig` checks the values. */
  | { readonly kind: 'serve'; readonly environment: Environment }

/** Reads the arguments after `webhooks serve`. */
export function readServeArguments(args: readonly string[], environment: Environment): ServeArguments {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) return { kind: 'help' }
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        role: { type: 'string' },
        processes: { type: 'string' },
        port: { type: 'string' },
        host: { type: 'string' },
      },
    })
    for (const [name, value] of Object.entries(values)) {
      // An empty variable counts as not set. An empty option is a mistake.
      if (value === '') return { kind: 'mistake', sentence: `The option --${name} has no value.` }
    }
    const given = Object.entries(values).map(([name, value]) => [name.toUpperCase(), value])
    return { kind: 'serve', environment: { ...environment, ...Object.fromEntries(given) } }
  } catch (error) {
    // The first sentence of the error of `parseArgs` names the argument.
    const message = error instanceof Error ? error.message : String(error)
    return { kind: 'mistake', sentence: `${message.split(/\.\s|\n/, 1)[0]}.` }
  }
}
