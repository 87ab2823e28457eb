import { describeConfig, readConfig } from '../config/config.ts'
import { configurationPage } from '../config/reference.ts'
import { type CommandIo, exitCode } from './command.ts'

const usage = `Usage: webhooks config <what>
  show           the settings in force, secrets masked
  show --json    the same as one JSON object
  docs           every setting, its default and what is allowed, as Markdown`

/** `webhooks config show|docs`. */
export async function runConfig(args: readonly string[], io: CommandIo): Promise<number> {
  const [what, ...options] = args
  if (what === 'docs' && options.length === 0) {
    io.out(configurationPage().trimEnd())
    return exitCode.ok
  }
  if (what === 'show' && options.every(option => option === '--json')) {
    show(io, options.length > 0)
    return exitCode.ok
  }
  const help = what === '--help' || what === 'help'
  if (help) io.out(usage)
  else io.err(usage)
  return help ? exitCode.ok : exitCode.usage
}

function show(io: CommandIo, json: boolean): void {
  const config = readConfig(io.environment)
  const lines = describeConfig(config, 'all')
  if (json) {
    const values = lines.map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
    io.out(JSON.stringify(Object.fromEntries(values), null, 2))
  } else {
    io.out([`# ${config.mode} mode`, ...lines].join('\n'))
  }
  for (const warning of config.warnings) io.err(`warning: ${warning}`)
}
