import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { codeOf, reasonOf } from '../../errors.ts'
import { Deadline } from '../deadline.ts'
import { roleName } from './cluster.ts'
import { EmbeddedPostgresError, isAlive } from './process.ts'

/** Settings for node-postgres. */
export interface EmbeddedConnection {
  /** The folder of the Unix socket; on Windows 127.0.0.1. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** Given explicitly: else node-postgres reads PGSSLMODE from the environment. */
  readonly ssl: false
}

/** The settings for a server that listens at this host and port. */
export function connectionTo(host: string, port: number, password: string): EmbeddedConnection {
  return { host, port, user: roleName, password, database: 'webhooks', ssl: false }
}

/** A connection that is open from the start of an `EmbeddedPostgres` to its stop. It marks this process as a user. */
export interface Keeper {
  readonly client: pg.Client
  /** Resolves when the connection ends, for any reason. */
  readonly lost: Promise<void>
}

/** The result of a try to connect. */
type Answer =
  | { readonly kind: 'connected'; readonly keeper: Keeper }
  /** A server is there, but is starting, recovering or shutting down. */
  | { readonly kind: 'busy' }
  | { readonly kind: 'no database' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'silent'; readonly reason: string }

export interface ReadyOptions {
  readonly connection: EmbeddedConnection
  /** True when the server's process has ended. */
  readonly isGone: () => boolean
  /** True when the start was cancelled. */
  readonly isCancelled: () => boolean
  readonly log: (message: string, fields?: object) => void
}

/** The end of the keeper's `application_name`, after `webhooks` and the pid. */
const keeperName = 'keeper'
/** Gives up after this long without any answer from the server. */
const silenceMs = 60_000
/** Gives up after this long. Recovery after a crash reads up to 4 GB of WAL, and answers "starting up" meanwhile. */
const recoveryMs = 600_000

/**
 * Connects as soon as the server takes connections; makes the database when there is none.
 *
 * @returns the open connection, or undefined when the server has ended
 * @throws EmbeddedPostgresError when it refuses, does not answer for a minute, or is not ready after ten minutes
 */
export async function connectWhenReady(options: ReadyOptions): Promise<Keeper | undefined> {
  const { connection, isGone, isCancelled, log } = options
  const end = new Deadline(recoveryMs)
  let silence = new Deadline(silenceMs)
  let nextWord = new Deadline(10_000)
  for (let waitMs = 10; !isCancelled(); waitMs = Math.min(waitMs * 1.5, 250)) {
    const answer = await tryToConnect(connection)
    if (answer.kind === 'connected') return answer.keeper
    if (answer.kind === 'refused') throw new EmbeddedPostgresError(refusal(connection, answer.reason))
    if (isGone()) return undefined
    if (answer.kind !== 'silent') silence = new Deadline(silenceMs)
    if (answer.kind === 'no database') await createDatabase(connection)
    if (end.leftMs === 0 || silence.leftMs === 0) {
      const reason = answer.kind === 'silent' ? answer.reason : 'it is still starting or shutting down'
      throw new EmbeddedPostgresError(
        `The embedded PostgreSQL runs, but takes no connections on ${connection.host}: ${reason}.`,
      )
    }
    if (nextWord.leftMs === 0) {
      log('the embedded PostgreSQL is not ready yet; after a crash it first repairs its data')
      nextWord = new Deadline(10_000)
    }
    await sleep(waitMs)
  }
  throw new EmbeddedPostgresError(
    'The start of the embedded PostgreSQL was given up because the service stops.',
  )
}

/** One try. @returns undefined when it failed, for any reason */
export async function connectOnce(connection: EmbeddedConnection): Promise<Keeper | undefined> {
  const answer = await tryToConnect(connection)
  return answer.kind === 'connected' ? answer.keeper : undefined
}

/** True when a server answers there, also with an error. */
export async function answers(connection: EmbeddedConnection): Promise<boolean> {
  const answer = await tryToConnect(connection)
  if (answer.kind === 'connected') await answer.keeper.client.end()
  return answer.kind !== 'silent'
}

/** The data directory that the server reports. */
export async function dataDirectoryOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ path: string }>("select current_setting('data_directory') as path")
  return rows[0]?.path ?? ''
}

/**
 * How many others use the server: connections of other live processes of the service, and other keepers of this process.
 * Connections of a process that was just killed do not count, although the server may still have them.
 */
export async function countOthers(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: string; part: string | null }>(
    `select split_part(application_name, ' ', 2) as pid, split_part(application_name, ' ', 3) as part
     from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name ~ '^webhooks [0-9]+'`,
  )
  return rows.filter(({ pid, part }) =>
    Number(pid) === process.pid ? part === keeperName : isAlive(Number(pid)),
  ).length
}

async function tryToConnect(connection: EmbeddedConnection, database = connection.database): Promise<Answer> {
  const client = new pg.Client({
    ...connection,
    database,
    application_name: `webhooks ${process.pid} ${keeperName}`,
    connectionTimeoutMillis: 5000,
    query_timeout: 10_000,
  })
  // The holder watches the end of the connection. An 'error' without a listener would end the process.
  client.on('error', () => {})
  const lost = new Promise<void>(resolve => client.once('end', resolve))
  try {
    await client.connect()
    return { kind: 'connected', keeper: { client, lost } }
  } catch (error) {
    client.end().catch(() => {})
    return answerOf(error)
  }
}

function answerOf(error: unknown): Answer {
  const code = codeOf(error)
  if (!(error instanceof pg.DatabaseError)) return { kind: 'silent', reason: reasonOf(error) }
  if (code === '3D000') return { kind: 'no database' }
  // 57P03: starting up, recovering or shutting down. 57P01, 57P02: it shut down during the login. 53300: full.
  if (code?.startsWith('57P') || code?.startsWith('53')) return { kind: 'busy' }
  return { kind: 'refused', reason: error.message }
}

function refusal(connection: EmbeddedConnection, reason: string): string {
  return (
    `The PostgreSQL that listens on ${connection.host}, port ${connection.port}, does not let the service in: ` +
    `${reason}. If the file postgres.password was changed, bring the right one back.`
  )
}

async function createDatabase(connection: EmbeddedConnection): Promise<void> {
  const answer = await tryToConnect(connection, 'postgres')
  if (answer.kind !== 'connected') return // the caller tries again, and gives up after a time
  try {
    await answer.keeper.client.query(`create database ${connection.database}`)
  } catch (error) {
    if (codeOf(error) !== '42P04') throw error // another process has just made it
  } finally {
    await answer.keeper.client.end()
  }
}
