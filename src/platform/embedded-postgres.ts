import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { StartupError } from '../errors.ts'
import { type Account, runAs, unprivilegedAccount } from './embedded-postgres-account.ts'
import { type Binaries, findBinaries } from './embedded-postgres-binaries.ts'
import { choosePlace, type Place } from './embedded-postgres-place.ts'
import { PostgresServer } from './embedded-postgres-server.ts'
import { withLockFile } from './lock-file.ts'

/** How to reach the server, as settings of node-postgres. */
export interface EmbeddedConnection {
  /** The directory of its Unix socket; 127.0.0.1 on Windows. */
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
}

export interface EmbeddedPostgres {
  readonly connection: EmbeddedConnection
  /** Where the cluster lies. */
  readonly dataDir: string
  /** It was running already: a killed parent left it, or another process uses it too. */
  readonly adopted: boolean
  /** Stops it, unless another live process of this service uses it; then that one stops it. */
  stop(): Promise<void>
}

export interface EmbeddedPostgresOptions {
  /** Made when it is not there. */
  readonly dataDir: string
  readonly log: (message: string, fields?: object) => void
  /** Where the cluster goes when PostgreSQL cannot get into `dataDir`, see `choosePlace`. */
  readonly stateDir?: string
  /** The unpacked package with the binaries, where it is not the installed one (tests). */
  readonly binariesDir?: string
}

const superuser = 'webhooks'
const databaseName = 'webhooks'

/**
 * Starts a real PostgreSQL 18 on `dataDir`, or adopts the one that runs there already; makes the cluster at the first
 * start. Never two on one directory. It listens on a Unix socket only (on Windows: on loopback), with a random
 * password. As root it runs under an account without rights. While it is held it is restarted should it die.
 *
 * @throws StartupError that says what is wrong and what to do
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const account = unprivilegedAccount()
  const place = await choosePlace(options.dataDir, account, options.stateDir)
  const binaries = await findBinaries(place.home, account, options.binariesDir)
  return withLockFile(join(place.home, 'start.lock'), 60_000, async () => {
    const password = await passwordOf(place, account)
    if (!existsSync(place.cluster)) {
      options.log('making the database, which takes a moment at the first start', { dataDir: place.cluster })
      await initialise(place, binaries, account)
    }
    await checkVersion(place, binaries)
    const server = new PostgresServer({
      place,
      binaries,
      account,
      log: options.log,
      port: await portFor(place),
    })
    const connectionTo = (database: string) => ({
      host: server.host,
      port: server.port,
      user: superuser,
      password,
      database,
    })
    const adopted = await server.startOrAdopt(() => canConnect(connectionTo('postgres')))
    await createDatabase(connectionTo('postgres'))
    options.log(adopted ? 'adopted the PostgreSQL that was still running' : 'started PostgreSQL', {
      pid: server.pid,
    })
    return {
      connection: connectionTo(databaseName),
      dataDir: place.cluster,
      adopted,
      stop: () =>
        withLockFile(join(place.home, 'start.lock'), 5000, async () => {
          if (await othersUseIt(connectionTo('postgres'))) server.leave()
          else await server.stop()
        }),
    }
  })
}

/** The password is made once and kept beside the cluster, readable by its owner only. */
async function passwordOf(place: Place, account: Account | undefined): Promise<string> {
  const path = join(place.home, 'password')
  if (!existsSync(path)) {
    const fresh = `${path}.new`
    await writeFile(fresh, randomBytes(24).toString('base64url'), { mode: 0o600 })
    if (account) await chown(fresh, account.uid, account.gid)
    await rename(fresh, path)
  }
  return readFile(path, 'utf8')
}

/** In a folder beside, renamed when it is whole: a start that was killed half-way leaves nothing that looks done. */
async function initialise(place: Place, binaries: Binaries, account: Account | undefined): Promise<void> {
  const fresh = `${place.cluster}.new`
  await rm(fresh, { recursive: true, force: true })
  const args = ['-D', fresh, '-U', superuser, '-A', 'scram-sha-256', '-E', 'UTF8', '--data-checksums']
  args.push(`--pwfile=${join(place.home, 'password')}`, '--locale=C')
  args.push('--locale-provider=builtin', '--builtin-locale=C.UTF-8')
  const { code, output } = await runAs(account, binaries.initdb, args, place.home)
  if (code !== 0)
    throw new StartupError(`The embedded PostgreSQL could not be set up in ${place.home}:\n${output}`)
  await rename(fresh, place.cluster)
}

async function checkVersion(place: Place, binaries: Binaries): Promise<void> {
  const path = join(place.cluster, 'PG_VERSION')
  if (!existsSync(path)) {
    throw new StartupError(
      `${place.cluster} exists, but holds no PostgreSQL data. Move it away, or set DATA_DIR to another folder.`,
    )
  }
  const version = (await readFile(path, 'utf8')).trim()
  if (version === binaries.major) return
  throw new StartupError(
    `The data in ${place.cluster} was made by PostgreSQL ${version}, and this program brings PostgreSQL ${binaries.major}. ` +
      `Run the version of this program that made it, and move the data with pg_dump; or set DATA_DIR to another folder to start anew.`,
  )
}

/** Names of sockets are told apart by their folder, so one number does; TCP on Windows needs a free one. */
async function portFor(place: Place): Promise<number> {
  if (place.socketDir !== undefined) return 5432
  const probe = createServer()
  await new Promise<void>(resolve => probe.listen(0, '127.0.0.1', resolve))
  const address = probe.address()
  await new Promise(resolve => probe.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 5432
}

type Probe = 'ready' | 'starting' | 'refused'

async function canConnect(connection: EmbeddedConnection): Promise<Probe> {
  const client = new pg.Client({ ...connection, connectionTimeoutMillis: 2000, application_name: appName })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('select 1')
    return 'ready'
  } catch (error) {
    // 28…: it is there but does not know our password; so it is not ours.
    const code = error instanceof pg.DatabaseError ? (error.code ?? '') : ''
    return code.startsWith('28') ? 'refused' : 'starting'
  } finally {
    await client.end().catch(() => {})
  }
}

async function createDatabase(connection: EmbeddedConnection): Promise<void> {
  await withClient(connection, async client => {
    const { rowCount } = await client.query('select from pg_database where datname = $1', [databaseName])
    if (rowCount === 0) await client.query(`create database ${databaseName}`)
  })
}

/** Whether another process of this service is connected; their connections say who they are. */
async function othersUseIt(connection: EmbeddedConnection): Promise<boolean> {
  try {
    return await withClient(connection, async client => {
      const { rowCount } = await client.query(
        `select from pg_stat_activity
         where backend_type = 'client backend' and application_name ~ '^webhooks [0-9]+'
           and split_part(application_name, ' ', 2) <> $1`,
        [String(process.pid)],
      )
      return (rowCount ?? 0) > 0
    })
  } catch {
    return false // it does not answer, so nobody can be using it
  }
}

const appName = `webhooks ${process.pid} embedded`

async function withClient<T>(
  connection: EmbeddedConnection,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...connection,
    connectionTimeoutMillis: 3000,
    query_timeout: 10_000,
    application_name: appName,
  })
  client.on('error', () => {})
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
