import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { codeOf, StartupError } from '../errors.ts'
import { shownText } from '../platform/server-url.ts'
import { ignoredVariables } from './ignored-settings.ts'
import type { Setting, Surroundings } from './setting-kinds.ts'
import { settings } from './settings.ts'

type Settings = typeof settings
type Values = { readonly [Name in keyof Settings]: ReturnType<Settings[Name]['defaultFor']> }

/** All settings, checked. Frozen; the same for the life of the process. */
export interface Config extends Values {
  /** `server` when DATABASE_URL is set, else `local`: the embedded PostgreSQL. */
  readonly mode: 'local' | 'server'
  /** Sentences about settings that are allowed, but look like mistakes. */
  readonly warnings: readonly string[]
}

export type Environment = Readonly<Record<string, string | undefined>>

/** A copy of the environment: for command-line options that override it, and for starting child processes. */
export function environmentOfProcess(): Environment {
  return { ...process.env }
}

/**
 * Reads the settings. An empty variable counts as not set.
 *
 * @throws StartupError that names all mistakes, with what was given (never a secret) and what is allowed
 */
export function readConfig(environment: Environment = process.env, terminal: boolean = isTerminal()): Config {
  const mistakes: string[] = []
  const read = <Value>(setting: Setting<Value>) => readSetting(setting, environment, mistakes)

  const databaseUrl = read(settings.databaseUrl)
  const mode = databaseUrl === undefined ? 'local' : 'server'
  const host = read(settings.host) ?? settings.host.defaultFor({ mode, loopback: true, terminal })
  const surroundings: Surroundings = { mode, loopback: isLoopback(host), terminal }

  const given = Object.entries(settings).map(([name, setting]) => {
    if (setting === settings.databaseUrl) return [name, databaseUrl]
    if (setting === settings.host) return [name, host]
    return [name, read<unknown>(setting) ?? setting.defaultFor(surroundings)]
  })
  // One value per setting, parsed by the entry of that setting: the type `Values`.
  const values = Object.fromEntries(given) as Values
  checkTogether(values, mode, mistakes)
  if (mistakes.length > 0) throw new StartupError(allMistakes(mistakes))
  return Object.freeze({
    ...values,
    mode,
    warnings: Object.freeze(warningsOf(values, environment, surroundings)),
  })
}

/** A setting in force, for people to read. */
export interface ShownSetting {
  readonly variable: string
  /** Its secret part is masked. */
  readonly value: string
  readonly isDefault: boolean
}

/** All settings in their order. Secrets are masked. */
export function shownSettings(config: Config): readonly ShownSetting[] {
  const surroundings = { mode: config.mode, loopback: isLoopback(config.host), terminal: isTerminal() }
  return Object.entries(settings).map(([name, entry]) => {
    const setting: Setting<unknown> = entry
    const value = config[name as keyof Settings] // Object.entries forgets that its names are keys
    return {
      variable: setting.variable,
      value: setting.show(value),
      isDefault: value === setting.defaultFor(surroundings),
    }
  })
}

/** A line `VARIABLE=value` for each setting that differs from its default, or for all settings. Secrets are masked. */
export function describeConfig(config: Config, which: 'changed' | 'all' = 'changed'): string[] {
  return shownSettings(config)
    .filter(({ isDefault }) => which === 'all' || !isDefault)
    .map(({ variable, value }) => `${variable}=${value}`)
}

function readSetting<Value>(
  setting: Setting<Value>,
  environment: Environment,
  mistakes: string[],
): Value | undefined {
  const text = setting.secret
    ? readSecret(setting.variable, environment, mistakes)
    : environment[setting.variable]
  if (text === undefined || text === '') return undefined
  const value = setting.parse(text)
  if (value === undefined) {
    const given = setting.secret ? 'what was given (not shown here) is not' : `"${shownText(text)}" is not`
    mistakes.push(`${setting.variable} must be ${setting.allowed}; ${given}.`)
  }
  return value
}

function readSecret(variable: string, environment: Environment, mistakes: string[]): string | undefined {
  const direct = environment[variable]?.trim()
  const path = environment[`${variable}_FILE`]
  if (path === undefined || path === '') return direct
  if (direct !== undefined && direct !== '') {
    mistakes.push(`${variable} and ${variable}_FILE are both set; set one of them.`)
    return undefined
  }
  try {
    const text = readFileSync(path, 'utf8').trim()
    if (text === '') mistakes.push(`${variable}_FILE names a file that is empty.`)
    return text
  } catch (error) {
    // The path is not shown: it may be the secret itself, given to the wrong variable.
    mistakes.push(`${variable}_FILE must be a file that can be read (${codeOf(error) ?? 'failed'}).`)
    return undefined
  }
}

function isTerminal(): boolean {
  return process.stdout.isTTY === true
}

/**
 * Connections of a process besides its pool, at most: three for ingest; one each for the log, the contents, the lanes, the
 * heartbeat and control; and one that marks it as a user of the embedded server.
 */
const ownConnections = 9
/** Of the 220 that it allows. The rest is for commands, and for new processes beside those they replace. */
const embeddedConnections = 200

/** Rules about several settings together. */
function checkTogether(values: Values, mode: Config['mode'], mistakes: string[]): void {
  if (values.memoryLimitMb * 1_048_576 < values.bodyLimitBytes) {
    mistakes.push(
      `MEMORY_LIMIT_MB (${values.memoryLimitMb}) must hold at least one body of BODY_LIMIT_BYTES (${values.bodyLimitBytes}).`,
    )
  }
  const connections = values.processes * (values.databasePoolSize + ownConnections)
  if (mode === 'local' && connections > embeddedConnections) {
    mistakes.push(
      `PROCESSES (${values.processes}) with DATABASE_POOL_SIZE (${values.databasePoolSize}) would open ${connections} connections; the embedded PostgreSQL has ${embeddedConnections} for them. Give less, or set DATABASE_URL.`,
    )
  }
  const { detailsRetentionHours: details, payloadRetentionHours: payload, logRetentionHours: log } = values
  const redisPath = values.redisUrl === undefined ? '' : new URL(values.redisUrl).pathname
  if (!/^(\/\d{0,9})?$/.test(redisPath)) {
    mistakes.push(`REDIS_URL must end in the number of a database, such as /0; "${redisPath}" is none.`)
  }
  if (details !== undefined && details > log) {
    mistakes.push(`DETAILS_RETENTION_HOURS (${details}) must not be more than LOG_RETENTION_HOURS (${log}).`)
  }
  if (payload !== undefined && payload > log) {
    mistakes.push(`PAYLOAD_RETENTION_HOURS (${payload}) must not be more than LOG_RETENTION_HOURS (${log}).`)
  }
}

function allMistakes(mistakes: readonly string[]): string {
  const count = mistakes.length === 1 ? 'One setting is' : `${mistakes.length} settings are`
  return `${count} not right:\n${mistakes.map(mistake => `  ${mistake}`).join('\n')}\nAll settings: webhooks config docs`
}

function warningsOf(values: Values, environment: Environment, surroundings: Surroundings): string[] {
  const warnings = ignoredVariables(environment)
  if (values.auth === 'none' && !surroundings.loopback) {
    warnings.push(
      `AUTH=none and HOST=${values.host}: everyone who can reach port ${values.port} is the operator.`,
    )
  }
  if (values.allowPrivateTargets && surroundings.mode === 'server') {
    warnings.push(
      'ALLOW_PRIVATE_TARGETS=true in server mode: whoever makes subscriptions can reach the private network of this machine. ALLOWED_TARGET_CIDRS opens less.',
    )
  }
  warnings.push(...withoutEffect(values, environment))
  if (values.egressProxy !== undefined) {
    warnings.push(
      'EGRESS_PROXY is set: the proxy looks names up by itself, so this service cannot keep deliveries away from private addresses. The proxy has to.',
    )
  }
  return warnings
}

/** Settings that are given, and of which another setting leaves nothing or not all. */
function withoutEffect(values: Values, environment: Environment): string[] {
  const sentences: string[] = []
  const say = (variable: string, isIdle: boolean, why: string) => {
    if (environment[variable] && isIdle) sentences.push(`${variable}=${environment[variable]} ${why}`)
  }
  const { deliveryTimeoutMs, connectTimeoutMs, responseLimitBytes, captureBodyBytes, captureResponses } =
    values
  const longest = `DELIVERY_TIMEOUT_MS (${deliveryTimeoutMs}), which ends an attempt first.`
  say('CONNECT_TIMEOUT_MS', connectTimeoutMs > deliveryTimeoutMs, `is more than ${longest}`)
  const most = `RESPONSE_LIMIT_BYTES (${responseLimitBytes}): no more is read, so no more can be kept.`
  say('CAPTURE_BODY_BYTES', captureBodyBytes > responseLimitBytes, `is more than ${most}`)
  const keepsNone = captureResponses === 'none'
  say('CAPTURE_BODY_BYTES', keepsNone, 'has no effect: CAPTURE_RESPONSES=none keeps no answers.')
  const tellsInfo = ['trace', 'debug', 'info'].includes(values.logLevel)
  const level = `has no effect: LOG_LEVEL=${values.logLevel} leaves out all these lines.`
  say('LOG_EVENTS', !tellsInfo && values.logEvents !== 'none', level)
  const never = 'has no effect: CIRCUIT_FAILURES=0 opens no circuit.'
  say('CIRCUIT_COOLDOWN_SECONDS', values.circuitFailures === 0, never)
  return [...sentences, ...keysWithoutEffect(values, environment)]
}

/** Who gives a first key believes that keys are asked for. */
function keysWithoutEffect({ auth, uiEnabled }: Values, environment: Environment): string[] {
  const isGiven = (variable: string) => Boolean(environment[variable] || environment[`${variable}_FILE`])
  const say = (variables: readonly string[], isIdle: boolean, why: string) =>
    isIdle ? variables.filter(isGiven).map(variable => `${variable} has no effect: ${why}`) : []
  const open = 'this service asks for no API keys (AUTH=none, the default in local mode). AUTH=keys asks.'
  const asks = 'this service asks for API keys, and answers under any name.'
  return [
    ...say(['FIRST_KEY', 'RATE_LIMIT_PER_KEY', 'SESSION_HOURS'], auth === 'none', open),
    ...say(['ALLOWED_HOSTS'], auth === 'keys', asks),
    ...say(
      ['PORTAL_FRAME_ANCESTORS', 'PORTAL_NAME', 'PORTAL_LOGO', 'PORTAL_ACCENT'],
      !uiEnabled,
      'UI_ENABLED=false leaves out the pages that it is for.',
    ),
  ]
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === '::1' || host.toLowerCase() === 'localhost'
}
