import { type TSchema, Type } from 'typebox'
import { Check } from 'typebox/schema'
import {
  parseServerUrl,
  percentEncodingHint,
  type ServerUrl,
  shownServerUrl,
} from '../platform/server-url.ts'

/** What a default may depend on. */
export interface Surroundings {
  readonly mode: 'local' | 'server'
  /** HOST is a loopback address: only this machine can connect. */
  readonly loopback: boolean
  /** Standard output is a terminal. */
  readonly terminal: boolean
}

/** One setting: the source of its type, parser, default, check, start-up line, `.env.example` and reference page. */
export interface Setting<Value> {
  readonly variable: string
  /** What the parsed value is, as JSON Schema. */
  readonly schema: TSchema
  /** What is allowed, as words after "must be". */
  readonly allowed: string
  readonly description: string
  /** Masked wherever it is shown; can also be given as a file, `<variable>_FILE`. */
  readonly secret: boolean
  /** The default in words, for the reference page. */
  readonly defaultText: string
  defaultFor(surroundings: Surroundings): Value
  /** @returns undefined when the text is not allowed */
  parse(text: string): Value | undefined
  /** The value for printing; the secret part is masked. */
  show(value: Value): string
}

interface Words {
  readonly description: string
}

/** A whole number in plain digits. */
export function integer(
  variable: string,
  limits: Words & { readonly minimum: number; readonly maximum: number; readonly default: number },
): Setting<number> {
  const { minimum, maximum, description } = limits
  const schema = Type.Integer({ minimum, maximum, default: limits.default, description })
  return {
    variable,
    schema,
    allowed: `a whole number from ${minimum} to ${maximum}`,
    description,
    secret: false,
    defaultText: `\`${limits.default}\``,
    defaultFor: () => limits.default,
    parse(text) {
      const value = /^\d{1,15}$/.test(text) ? Number(text) : undefined
      return Check(schema, value) ? value : undefined
    },
    show: String,
  }
}

/** A number from 0 to 1. */
export function ratio(
  variable: string,
  words: Words & { readonly defaultText: string; readonly default: number },
): Setting<number> {
  const { description, defaultText } = words
  return {
    variable,
    schema: Type.Number({ minimum: 0, maximum: 1, description }),
    allowed: 'a number from 0 to 1, such as 0.05',
    description,
    secret: false,
    defaultText,
    defaultFor: () => words.default,
    parse: value => (/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/.test(value) ? Number(value) : undefined),
    show: String,
  }
}

/** A whole number that need not be given. */
export function optionalInteger(
  variable: string,
  limits: Words & { readonly minimum: number; readonly maximum: number; readonly defaultText: string },
): Setting<number | undefined> {
  const { defaultText, ...words } = limits
  const given = integer(variable, { ...words, default: limits.minimum })
  const { minimum, maximum, description } = words
  return {
    ...given,
    schema: Type.Optional(Type.Integer({ minimum, maximum, description })),
    defaultText,
    defaultFor: () => undefined,
    show: value => (value === undefined ? '(not set)' : String(value)),
  }
}

/** One of a few words. */
export function choice<const Choice extends string>(
  variable: string,
  choices: readonly [Choice, ...Choice[]],
  words: Words & { readonly defaultText: string; readonly default: (surroundings: Surroundings) => Choice },
): Setting<Choice> {
  return {
    variable,
    schema: Type.Enum([...choices], { description: words.description }),
    allowed: `one of ${choices.join(', ')}`,
    description: words.description,
    secret: false,
    defaultText: words.defaultText,
    defaultFor: words.default,
    parse: text => choices.find(allowed => allowed === text),
    show: String,
  }
}

/** Yes or no. */
export function flag(
  variable: string,
  words: Words & { readonly defaultText: string; readonly default: (surroundings: Surroundings) => boolean },
): Setting<boolean> {
  return {
    variable,
    schema: Type.Boolean({ description: words.description }),
    allowed: 'true or false',
    description: words.description,
    secret: false,
    defaultText: words.defaultText,
    defaultFor: words.default,
    parse: value => ({ true: true, false: false })[value],
    show: String,
  }
}

/** Text that matches a pattern. */
export function text(
  variable: string,
  words: Words & {
    readonly pattern: string
    readonly allowed: string
    readonly defaultText: string
    readonly default: (surroundings: Surroundings) => string
  },
): Setting<string> {
  const schema = Type.String({ pattern: words.pattern, description: words.description })
  return {
    variable,
    schema,
    allowed: words.allowed,
    description: words.description,
    secret: false,
    defaultText: words.defaultText,
    defaultFor: words.default,
    parse: value => (Check(schema, value) ? value : undefined),
    show: String,
  }
}

/** Text that nobody else may read; optional. */
export function secretText(
  variable: string,
  words: Words & { readonly pattern: string; readonly allowed: string; readonly defaultText: string },
): Setting<string | undefined> {
  const schema = Type.String({ pattern: words.pattern, description: words.description })
  return {
    variable,
    schema: Type.Optional(schema),
    allowed: words.allowed,
    description: words.description,
    secret: true,
    defaultText: words.defaultText,
    defaultFor: () => undefined,
    parse: value => (Check(schema, value) ? value : undefined),
    show: value => (value === undefined ? '(not set)' : '(set, not shown)'),
  }
}

interface ServerUrlWords extends Words {
  readonly example: string
  readonly defaultText: string
  /** Whether there is all that such an address needs, and nothing that it cannot have; anything unless given. */
  readonly isComplete?: (url: ServerUrl) => boolean
}

/** The address of a server, with its password: secret, optional. */
export function serverUrl(
  variable: string,
  schemes: readonly string[],
  words: ServerUrlWords,
): Setting<string | undefined> {
  const { example, description, isComplete = () => true } = words
  return {
    variable,
    schema: Type.Optional(Type.String({ description, examples: [example] })),
    allowed: `a URL such as ${example}, ${percentEncodingHint}`,
    description,
    secret: true,
    defaultText: words.defaultText,
    defaultFor: () => undefined,
    parse(value) {
      const url = parseServerUrl(value)
      if (url === undefined || !schemes.includes(url.scheme) || !isComplete(url)) return undefined
      // The parser of URLs refuses some host names besides; it knows no address without a host, which PostgreSQL has.
      return url.host === '' || URL.canParse(value) ? value : undefined
    },
    show: value => (value === undefined ? '(not set)' : shownServerUrl(value)),
  }
}

interface ListWords extends Words {
  readonly item: TSchema
  readonly allowed: string
  readonly defaultText: string
}

/** A list of values with commas between them. */
export function list<Item>(
  variable: string,
  words: ListWords,
  parseItem: (text: string) => Item | undefined,
  describe: (item: Item) => string,
): Setting<readonly Item[] | undefined> {
  return {
    variable,
    schema: Type.Optional(Type.Array(words.item, { minItems: 1, description: words.description })),
    allowed: words.allowed,
    description: words.description,
    secret: false,
    defaultText: words.defaultText,
    defaultFor: () => undefined,
    parse(text) {
      const items = text.split(',').flatMap(part => parseItem(part.trim()) ?? [])
      return items.length === text.split(',').length ? Object.freeze(items) : undefined
    },
    show: items => (items === undefined ? '(not set)' : items.map(describe).join(', ')),
  }
}

/** A list of secrets; `describe` names one without showing it. */
export function secretList<Item>(
  variable: string,
  words: ListWords,
  parseItem: (text: string) => Item | undefined,
  describe: (item: Item) => string,
): Setting<readonly Item[] | undefined> {
  return { ...list(variable, words, parseItem, describe), secret: true }
}
