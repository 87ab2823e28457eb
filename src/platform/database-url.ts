import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type pg from 'pg'
import { codeOf, StartupError } from '../errors.ts'
import { parseServerUrl, percentEncodingHint } from './server-url.ts'

/** Where a database is, for node-postgres and for people. */
export interface DatabaseAddress {
  readonly connection: Readonly<pg.ClientConfig>
  /** Host, port and database; without user and password. */
  readonly description: string
  /** Parameters of the address that nothing here knows: they have no effect. */
  readonly unknown: readonly string[]
}

/** Parameters that change nothing here: the connection does so anyway, or sets it itself. */
const withoutEffect = new Set([
  'application_name',
  'channel_binding',
  'client_encoding',
  'connect_timeout',
  'fallback_application_name',
  'gssencmode',
  'keepalives',
  'keepalives_count',
  'keepalives_idle',
  'keepalives_interval',
  'target_session_attrs',
  'uselibpqcompat',
])

const used = new Set([
  'dbname',
  'host',
  'options',
  'password',
  'port',
  'ssl',
  'sslcert',
  'sslkey',
  'sslmode',
  'sslpassword',
  'sslrootcert',
  'user',
])

/**
 * Reads DATABASE_URL as PostgreSQL's own programs do
 * (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS): the host may be left out, or be given
 * as the parameter `host`, also as the folder of a Unix socket. What is not given comes from PGHOST, PGUSER and so on.
 *
 * @throws StartupError when it cannot be read, or names a file that cannot
 */
export function readDatabaseUrl(text: string): DatabaseAddress {
  const url = parseServerUrl(text)
  if (url === undefined) {
    throw new StartupError(`DATABASE_URL must be a URL of PostgreSQL, ${percentEncodingHint}.`)
  }
  const given = parametersOf(url.query)
  const part = (name: string, inAddress: string | undefined): string | undefined => {
    const value = given.get(name) ?? (inAddress === undefined ? undefined : decodeURIComponent(inAddress))
    return value === '' ? undefined : value
  }
  const host = part('host', url.host.replace(/^\[(.*)\]$/, '$1'))
  const port = part('port', url.port)
  const [user, password] = [part('user', url.user), part('password', url.password)]
  const database = part('dbname', url.path.slice(1))
  const ssl = host?.startsWith('/') ? false : tlsOf(given) // PostgreSQL has no TLS on Unix sockets
  const options = given.get('options')
  return {
    connection: {
      ...(host !== undefined && { host }),
      ...(port !== undefined && { port: Number(port) }),
      ...(user !== undefined && { user }),
      ...(password !== undefined && { password }),
      ...(database !== undefined && { database }),
      ...(options !== undefined && { options }),
      ...(ssl !== undefined && { ssl }),
    },
    description: `${host ?? ''}${port === undefined ? '' : `:${port}`}/${database ?? ''}`,
    unknown: [...given.keys()].filter(name => !used.has(name) && !withoutEffect.has(name)),
  }
}

/** A plus sign stays one: PostgreSQL's own programs do not take it for a space, either. */
function parametersOf(query: string): ReadonlyMap<string, string> {
  const pairs = query.split('&').filter(pair => pair !== '')
  return new Map(
    pairs.map(pair => {
      const [name = '', ...value] = pair.split('=')
      return [decodeURIComponent(name), decodeURIComponent(value.join('='))]
    }),
  )
}

const sslModes = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'] as const

/**
 * What `sslmode` and its companions mean to PostgreSQL's own programs: `require` encrypts and checks nothing, unless a
 * `sslrootcert` is given; `verify-ca` checks who has signed the certificate, and `verify-full` the name in it too. The
 * one difference is `prefer`, which does not go on without TLS here. `no-verify` is node-postgres' word for `require`.
 *
 * @returns undefined when nothing is said
 */
function tlsOf(given: ReadonlyMap<string, string>): false | ConnectionOptions | undefined {
  const rootFile = given.get('sslrootcert')
  const short = given.get('ssl')
  const said = given.get('sslmode') ?? (short === 'true' || short === '1' ? 'require' : undefined)
  const mode = sslModes.find(known => known === said)
  if (said !== undefined && mode === undefined) {
    throw new StartupError(`sslmode in DATABASE_URL must be one of ${sslModes.join(', ')}.`)
  }
  if (mode === undefined && rootFile === undefined) return undefined
  if (mode === 'disable' || mode === 'allow') return false
  const ca = rootFile === undefined || rootFile === 'system' ? undefined : fileOf('sslrootcert', rootFile)
  const [certFile, keyFile, passphrase] = ['sslcert', 'sslkey', 'sslpassword'].map(name => given.get(name))
  const common: ConnectionOptions = {
    ...(ca !== undefined && { ca }),
    ...(certFile !== undefined && { cert: fileOf('sslcert', certFile) }),
    ...(keyFile !== undefined && { key: fileOf('sslkey', keyFile) }),
    ...(passphrase !== undefined && { passphrase }),
  }
  if (mode === undefined || mode === 'verify-full' || rootFile === 'system') return common
  if (mode === 'verify-ca' && ca === undefined) {
    throw new StartupError(
      'sslmode=verify-ca in DATABASE_URL needs sslrootcert, the file of the authority that signs the certificate of ' +
        'the server; verify-full does without, for authorities that this machine knows.',
    )
  }
  return ca !== undefined && (mode === 'verify-ca' || mode === 'require')
    ? { ...common, checkServerIdentity: () => undefined }
    : { ...common, rejectUnauthorized: false }
}

function fileOf(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new StartupError(
      `${parameter} in DATABASE_URL must be a file that can be read: ${path} cannot (${codeOf(error) ?? 'failed'}).`,
      { cause: error },
    )
  }
}
