import { type Command, type CommandIo, exitCode } from './cli/command.ts'
import { StartupError } from './errors.ts'
import { version } from './version.ts'

interface Described {
  readonly does: string
  /** Loads what this command needs alone: a health check that is run every few seconds does not load the service. */
  readonly load: () => Promise<Command>
  /** It reads the arguments after its name, `--help` included. */
  readonly takesArguments?: true
}

/** All commands, by name. */
const commands: Readonly<Record<string, Described>> = {
  serve: {
    does: 'start the service (the default)',
    load: async () => (await import('./cli/serve.ts')).runServe,
    takesArguments: true,
  },
  audit: {
    does: 'count deliveries that have neither a final attempt nor an owed row; must be 0',
    load: async () => (await import('./cli/audit.ts')).runAudit,
  },
  backup: {
    does: 'write all that the installation has into one file, while it runs',
    load: async () => (await import('./cli/backup.ts')).runBackup,
    takesArguments: true,
  },
  restore: {
    does: 'put a backup into an empty database',
    load: async () => (await import('./cli/restore.ts')).runRestore,
    takesArguments: true,
  },
  prune: {
    does: 'run the hourly retention now, or say what it would remove',
    load: async () => (await import('./cli/prune.ts')).runPrune,
    takesArguments: true,
  },
  migrate: {
    does: 'bring the database to the newest schema (serve does it by itself)',
    load: async () => (await import('./cli/migrate.ts')).runMigrate,
  },
  deliveries: {
    does: 'list and end what is owed or dead',
    load: async () => (await import('./cli/deliveries.ts')).runDeliveries,
    takesArguments: true,
  },
  replay: {
    does: 'send again: one event, or all that match',
    load: async () => (await import('./cli/replay.ts')).runReplay,
    takesArguments: true,
  },
  keys: {
    does: 'make, list and revoke API keys, without needing one',
    load: async () => (await import('./cli/keys.ts')).runKeys,
    takesArguments: true,
  },
  'rotate-keys': {
    does: 'seal all secrets with the newest of ENCRYPTION_KEYS, so that older ones can go',
    load: async () => (await import('./cli/rotate-keys.ts')).runRotateKeys,
  },
  tail: {
    does: 'show what happens at a running service, as it happens',
    load: async () => (await import('./cli/tail.ts')).runTail,
    takesArguments: true,
  },
  config: {
    does: 'show the settings in force, or the reference of all',
    load: async () => (await import('./cli/config.ts')).runConfig,
    takesArguments: true,
  },
  healthcheck: {
    does: 'ask a running service whether it is ready',
    load: async () => (await import('./cli/healthcheck.ts')).runHealthcheck,
    takesArguments: true,
  },
}

const io: CommandIo = {
  out: text => void process.stdout.write(`${text}\n`),
  err: text => void process.stderr.write(`${text}\n`),
}

// Whoever reads the output may go, as "| head" does. That is no reason to end; what cannot be shown is lost.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const settingsHint = 'Settings come from the environment: webhooks config docs'

process.exitCode = await main(process.argv.slice(2))
// Timers or sockets that are left must not keep a finished command alive. Output to a file or a terminal is written by
// now; output to a pipe has half a second.
setTimeout(() => process.exit(), 500).unref()

async function main(given: readonly string[]): Promise<number> {
  const [name = 'serve', ...args] = given
  if (name === '--help' || name === '-h' || name === 'help') return help()
  if (name === '--version' || name === '-v') {
    io.out(version)
    return exitCode.ok
  }
  // Options without a command belong to the default command.
  return name.startsWith('-') ? run('serve', given) : run(name, args)
}

async function run(name: string, args: readonly string[]): Promise<number> {
  const command = commands[name]
  if (!command) {
    io.err(`webhooks: there is no command "${name}".\n`)
    help()
    return exitCode.usage
  }
  // Such as `prune --help`: it must not run the command.
  if (command.takesArguments === undefined && args.length > 0) return refuseArguments(name, command, args)
  try {
    const run = await command.load()
    return await run(args, io)
  } catch (error) {
    io.err(`webhooks: ${error instanceof StartupError ? error.message : explain(error)}`)
    return exitCode.failure
  }
}

function refuseArguments(name: string, { does }: Described, args: readonly string[]): number {
  if (args.some(argument => ['--help', '-h', 'help'].includes(argument))) {
    io.out(`webhooks ${name}: ${does}\n\nIt takes no arguments. ${settingsHint}`)
    return exitCode.ok
  }
  io.err(`webhooks ${name} takes no arguments (got ${args.join(' ')}). ${settingsHint}`)
  return exitCode.usage
}

function help(): number {
  const lines = Object.entries(commands).map(([name, { does }]) => `  ${name.padEnd(12)} ${does}`)
  io.out(
    `webhooks ${version}: accepts events, delivers them signed, retries, and shows every attempt\n\n` +
      `Usage: webhooks <command>, in a checkout: npx webhooks <command>\n\n${lines.join('\n')}\n\n${settingsHint}`,
  )
  return exitCode.ok
}

function explain(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
