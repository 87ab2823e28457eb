import { stripVTControlCharacters, styleText } from 'node:util'
import { type DestinationStream, destination, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'

/** The process log: `logger.info({ subscription_id: 1 }, 'a sentence')`. */
export type Logger = PinoLogger

export interface LoggerOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `json`: one object per line with `level`, `time`, `msg`; `pretty`: for a terminal. */
  readonly format: 'json' | 'pretty'
  /** How the lines with these messages read in the pretty form, which else shows their fields. */
  readonly sentences?: Sentences
  /** Other processes write to the same standard output. Every line then has the pid and is written in one piece. */
  readonly shared?: boolean
  /** Standard output unless given. */
  readonly output?: DestinationStream
}

/** A line in words. Its mark comes before it, in green when it is good and in red when it is bad. */
export interface Sentence {
  readonly mark: string
  readonly is: 'good' | 'bad' | 'neutral'
  readonly text: string
}

/** Message of a line → the line in words, from its fields. */
export type Sentences = Readonly<Record<string, (fields: Readonly<Record<string, unknown>>) => Sentence>>

/** What a pipe takes in one piece (PIPE_BUF on Linux). A longer write can be mixed with lines of another process. */
const sharedWriteBytesMax = 4096

/**
 * Fields whose values are hidden, in the first three levels of a line. The bindings of a child logger are not covered.
 * No code logs secrets or payloads; this is a second safeguard.
 */
const secretFields = new Set([
  'secret',
  'secrets',
  'signing_secret',
  'signing_secrets',
  'signingSecrets',
  'signing_key_pairs',
  'signingKeys',
  'textKeys',
  'headers',
  'password',
  'token',
  'key',
  'api_key',
  'authorization',
  'cookie',
  'signature',
  'x-hub-signature-256',
  'x-hub-signature-25',
  'payload',
  'body',
  'databaseUrl',
  'redisUrl',
  'encryptionKeys',
  'connectionString',
])
const secretDepth = 3

/**
 * Makes the logger of a process. Lines are buffered and written without blocking the event loop. All of them are written
 * before the process exits, also after `fatal` and an uncaught exception; only SIGKILL loses some.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { shared = false } = options
  const output = options.output ?? standardOutput(shared)
  return pino(
    {
      level: options.level,
      base: shared ? { pid: process.pid } : null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: {
        level: label => ({ level: label }),
        // Not pino's own redaction: with these names and wildcards a line took ten times as long.
        log: fields => withoutSecrets(fields, secretDepth),
      },
    },
    options.format === 'pretty' ? prettyStream(output, options.sentences) : output,
  )
}

/** Lines that cannot be written are lost: the reader of a pipe may go, a terminal be closed, a disk be full. */
function standardOutput(shared: boolean): DestinationStream {
  const output = destination({ fd: 1, sync: false, ...(shared ? { maxWrite: sharedWriteBytesMax } : {}) })
  const flushSync = output.flushSync.bind(output)
  let isFailing = false
  output.on('error', () => {
    isFailing = true
  })
  output.on('write', () => {
    isFailing = false
  })
  // At the exit, sonic-boom (4.2) tries again without end what cannot be written, and the process would never end.
  output.flushSync = () => {
    if (!isFailing) flushSync()
  }
  return output
}

/** A logger that writes nothing, for tests. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' })
}

/** The same object when nothing in it has to be hidden, else a copy with hidden values. */
function withoutSecrets(fields: Record<string, unknown>, depth: number): Record<string, unknown> {
  let copy: Record<string, unknown> | undefined
  for (const key in fields) {
    const value = fields[key]
    const shown = secretFields.has(key) && value != null ? '[hidden]' : shownValue(value, depth)
    if (shown === value) continue
    copy ??= { ...fields }
    copy[key] = shown
  }
  return copy ?? fields
}

function shownValue(value: unknown, depth: number): unknown {
  return depth > 1 && isPlainObject(value) ? withoutSecrets(value, depth - 1) : value
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

function prettyStream(
  output: DestinationStream & { flushSync?: () => void; flush?: () => void },
  sentences?: Sentences,
): DestinationStream {
  return Object.assign(
    { write: (line: string) => output.write(prettyLine(line, sentences)) },
    // pino calls these on `fatal` and on `flush`.
    { flushSync: () => output.flushSync?.(), flush: () => output.flush?.() },
  )
}

const colours = {
  trace: 'gray',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
} as const

/**
 * Turns one JSON line into `12:03:04.123 INFO  message key=value` in local time, with the stack of an error below, or into
 * its sentence.
 */
export function prettyLine(line: string, sentences: Sentences = {}): string {
  // pino made the line, so it is an object.
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const sentence = sentences[String(msg)]?.(fields)
  if (sentence !== undefined) return `${clockTime(String(time))} ${inWords(sentence, fields.pid)}\n`
  const name = String(level) as keyof typeof colours // pino's own names, see the level formatter
  const label = styleText(colours[name] ?? 'gray', name.toUpperCase().padEnd(5), { stream: process.stdout })
  const words = [clockTime(String(time)), label]
  if (msg !== undefined) words.push(printable(String(msg)))
  for (const [key, value] of Object.entries(fields)) words.push(`${key}=${fieldText(value)}`)
  return `${words.join(' ')}\n${err === undefined ? '' : errorText(err)}`
}

function inWords({ mark, is, text }: Sentence, pid: unknown): string {
  const colour = { good: 'green', bad: 'red', neutral: 'gray' } as const
  const styled = styleText(colour[is], mark, { stream: process.stdout })
  return `${styled} ${printable(text)}${pid === undefined ? '' : ` pid=${fieldText(pid)}`}`
}

/** `12:03:04.123`, in local time. */
export function clockTime(time: string): string {
  const date = new Date(time)
  const two = (part: number) => String(part).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

function fieldText(value: unknown): string {
  return typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value)
}

function errorText(error: unknown): string {
  const { stack, message } = Object(error) as { readonly stack?: unknown; readonly message?: unknown } // any value may be logged as err
  return `${printable(String(stack ?? message ?? JSON.stringify(error))).replace(/^/gm, '    ')}\n`
}

/** Text from outside must not move the cursor of a terminal or change its colours. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return stripVTControlCharacters(text).replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g, '�')
}
