/** The address of a server, in its parts as they were given: percent-encoded, empty where there is none. */
export interface ServerUrl {
  /** Without `://`. */
  readonly scheme: string
  /** Undefined: there is no user part at all. */
  readonly user: string | undefined
  readonly password: string | undefined
  /** An IPv6 address has its brackets. */
  readonly host: string
  readonly port: string
  /** With its slash. */
  readonly path: string
  /** Without the question mark. */
  readonly query: string
}

/** What is wrong with most addresses that are refused, as words after "a URL such as …". */
export const percentEncodingHint =
  'with / ? # @ [ ] % and white space in the password percent-encoded (@ as %40)'

const encoded = '%[0-9A-Fa-f]{2}'
const grammar = new RegExp(
  `^(?<scheme>[a-z][a-z0-9+.-]*)://` +
    `(?:(?<user>(?:[^/?#@:%\\s\\\\\\[\\]]|${encoded})*)(?::(?<password>(?:[^/?#@%\\s\\\\\\[\\]]|${encoded})*))?@)?` +
    `(?<host>(?:[^/?#@:%\\s\\\\\\[\\],]|${encoded})*|\\[[0-9A-Fa-f:.]+\\])` +
    `(?::(?<port>\\d{1,5}))?` +
    `(?<path>/(?:[^?#@%\\s\\\\]|${encoded})*)?` +
    `(?:\\?(?<query>(?:[^#@%\\s\\\\]|${encoded})*))?$`,
)

/**
 * Takes an address apart. Stricter than the parsers of URLs, which find a host in any text: with the password `12/34`
 * they take `user` for the host, `12` for the port, and the rest for the path. Here `@` stands before the host and nowhere
 * else, so that no part of a password is ever taken for something else, and shown.
 *
 * @returns undefined for what cannot be taken apart without doubt
 */
export function parseServerUrl(text: string): ServerUrl | undefined {
  const parts = grammar.exec(text)?.groups
  if (parts === undefined || Number(parts.port ?? 0) > 65_535) return undefined
  return {
    scheme: parts.scheme ?? '',
    user: parts.user,
    password: parts.password,
    host: parts.host ?? '',
    port: parts.port ?? '',
    path: parts.path ?? '',
    query: parts.query ?? '',
  }
}

/**
 * An address for printing. The password is masked; so is a user without one, which may be a token; so is the query, which
 * may hold both. Of what cannot be taken apart nothing is shown but the scheme.
 */
export function shownServerUrl(text: string): string {
  const url = parseServerUrl(text)
  if (url === undefined) return schemeOnly(text)
  const { scheme, user, password, host, port, path, query } = url
  const credentials = user === undefined ? '' : password === undefined ? '***@' : `${user}:***@`
  return `${scheme}://${credentials}${host}${port && `:${port}`}${path}${query && '?***'}`
}

/** Any text for printing. What looks like an address is shown as far as its scheme: it may hold a password. */
export function shownText(text: string): string {
  return text.includes('://') ? schemeOnly(text) : text
}

function schemeOnly(text: string): string {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]{0,20}:\/\//.exec(text)?.[0]
  return scheme === undefined ? '***' : `${scheme}***`
}
