import { createHash } from 'node:crypto'
import pg from 'pg'
import { AppError } from '../errors.ts'
import { sessionSettings } from './session.ts'

/** A statement with its values. */
export interface Statement {
  /** A statement with a name is prepared once per connection. In the session a hash of the text makes the name unique. */
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

/** Whatever can run one statement: a pinned `Connection`, the pool, or an open transaction. */
export interface Queryable {
  query<Row extends object = Record<string, unknown>>(statement: Statement): Promise<QueryResult<Row>>
}

/** Where several statements can be one transaction. */
export interface Transactional extends Queryable {
  /** Runs `work` in one transaction on one connection; rolled back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
}

export interface QueryResult<Row> {
  readonly rows: readonly Row[]
  readonly rowCount: number
}

export interface DatabaseOptions {
  /** node-postgres settings: host, port, user, password, database and so on. */
  readonly connection: Readonly<pg.ClientConfig>
  readonly poolSize: number
  /** A statement that runs longer fails with `database_unavailable`; a pinned connection is closed then. */
  readonly queryTimeoutMs: number
  readonly connectTimeoutMs: number
}

export interface ConnectionSettings {
  /** Unless given, that of the database. */
  readonly queryTimeoutMs?: number
  /** SQL that is run first on each new connection, after `sessionSettings`. */
  readonly session?: string
  /** Called for each NOTIFY on the channels this connection listens on. */
  readonly onNotification?: (channel: string, payload: string) => void
  /** False: after it broke its statements fail, so that what belongs to the session (locks) holds for all of them. */
  readonly reopens?: boolean
  /** True: it is opened when it is needed first, if ever; not by `Database.open`. */
  readonly isRare?: boolean
}

/** Told of each statement that was answered or refused, with the name of its connection (`pool` for those that are shared). */
export type StatementListener = (connection: string, ms: number) => void

/** Connections at a moment. */
export interface DatabaseFigures {
  readonly pool: { readonly busy: number; readonly idle: number; readonly waiting: number }
  readonly pinned: { readonly open: number; readonly closed: number }
}

/** Of one database; the listener can come later than its connections. */
interface Listening {
  onStatement: StatementListener | undefined
}

/**
 * Connections to PostgreSQL. There are two kinds of failures. `AppError('database_unavailable')`: the server cannot be
 * reached, is starting, is full or does not answer in time; the statement may or may not have taken effect. And the
 * server's own error, unchanged, when the statement is wrong.
 */
export class Database implements Transactional {
  readonly #options: DatabaseOptions
  readonly #pool: pg.Pool
  readonly #connections = new Set<Connection>()
  readonly #clients = new Set<pg.Client>()
  readonly #listening: Listening = { onStatement: undefined }

  constructor(options: DatabaseOptions) {
    this.#options = options
    this.#pool = new pg.Pool({
      ...clientConfig(options),
      max: options.poolSize,
      idleTimeoutMillis: 30_000,
      onConnect: client => client.query(sessionSettings(options.queryTimeoutMs)).then(() => {}),
    })
    // When a client loses its server, the pool drops it if it is idle; in a transaction its next statement fails. Both
    // also emit 'error', which would end the process if nobody listened.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', client => client.on('error', () => {}))
  }

  async query<Row extends object = Record<string, unknown>>(statement: Statement): Promise<QueryResult<Row>> {
    const sentAt = performance.now()
    try {
      return asResult<Row>(await this.#pool.query(queryConfig(statement)))
    } catch (error) {
      throw asAppError(error)
    } finally {
      this.#listening.onStatement?.('pool', performance.now() - sentAt)
    }
  }

  /** The listener is told of every statement from now on, but those of transactions of the pool. It must not throw. */
  onStatement(listener: StatementListener): void {
    this.#listening.onStatement = listener
  }

  get figures(): DatabaseFigures {
    const { totalCount, idleCount, waitingCount } = this.#pool
    const used = [...this.#connections].filter(({ isKept, isOpen }) => isKept || isOpen)
    const open = used.filter(({ isOpen }) => isOpen).length
    return {
      pool: { busy: totalCount - idleCount, idle: idleCount, waiting: waitingCount },
      pinned: { open, closed: used.length - open },
    }
  }

  /** Runs `work` in one transaction on one connection; rolled back when it throws. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#within('begin', work)
  }

  /** Runs reads on one connection, all of them of the moment of the first: two round trips more, and no lock. */
  snapshot<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    return this.#within('begin isolation level repeatable read read only', work)
  }

  async #within<T>(begin: string, work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = await this.#checkOut()
    const tx = transactionOn(client)
    let healthy = false
    try {
      await tx.query({ text: begin })
      const result = await work(tx)
      await tx.query({ text: 'commit' })
      healthy = true
      return result
    } catch (error) {
      if (!isDatabaseUnavailable(error)) {
        await tx.query({ text: 'rollback' })
        healthy = true
      }
      throw error
    } finally {
      client.release(!healthy)
    }
  }

  async #checkOut(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect()
    } catch (error) {
      throw asAppError(error)
    }
  }

  /**
   * Opens all that will be used: the pinned connections made so far, and the whole pool. So a start fails where there is
   * no room for them, and not the first event.
   */
  async open(): Promise<void> {
    const pooled = Array.from({ length: this.#options.poolSize }, () => this.#checkOut())
    const [clients, opened] = await Promise.all([
      Promise.allSettled(pooled),
      this.reopen().then(
        () => undefined,
        error => ({ error }),
      ),
    ])
    for (const client of clients) if (client.status === 'fulfilled') client.value.release()
    const failed = clients.find(client => client.status === 'rejected')
    if (failed) throw failed.reason
    if (opened) throw opened.error
  }

  /** Opens the pinned connections that are not open. @throws AppError when one of them cannot be opened */
  async reopen(): Promise<void> {
    const kept = [...this.#connections].filter(connection => connection.isKept)
    const results = await Promise.allSettled(kept.map(connection => connection.open()))
    const failed = results.find(result => result.status === 'rejected')
    if (failed) throw failed.reason
  }

  /** How many connections `open` opens. */
  get size(): number {
    return this.#options.poolSize + [...this.#connections].filter(({ isKept }) => isKept).length
  }

  /** A pinned connection, which is opened at its first use and again after it broke. It is closed with the database. */
  connection(name: string, settings: ConnectionSettings = {}): Connection {
    const { queryTimeoutMs = this.#options.queryTimeoutMs } = settings
    const connection: Connection = new Connection(
      { ...this.#options, queryTimeoutMs },
      name,
      settings,
      () => this.#connections.delete(connection),
      this.#listening,
    )
    this.#connections.add(connection)
    return connection
  }

  /** A client of node-postgres that is connected, without a limit of time. It is cut off when this is closed. */
  async openClient(name: string): Promise<pg.Client> {
    const client = new pg.Client({
      ...clientConfig({ ...this.#options, queryTimeoutMs: 0 }, name),
      query_timeout: 0,
      idle_in_transaction_session_timeout: 0,
    })
    try {
      await client.connect()
    } catch (error) {
      throw notConnected(error)
    }
    client.on('error', () => {}) // the statement that runs, or the next one, fails with it
    client.on('end', () => this.#clients.delete(client))
    this.#clients.add(client)
    return client
  }

  async close(): Promise<void> {
    for (const client of this.#clients) destroy(client)
    await Promise.allSettled([...this.#connections].map(connection => connection.close()))
    await this.#pool.end()
  }
}

/**
 * One pinned connection; statements on it run one after the other. After it broke, the next statement opens it again, but
 * not within 250 ms after a failed try. So while the server is away, callers fail at once instead of waiting.
 */
export class Connection implements Transactional {
  readonly #options: DatabaseOptions
  readonly #name: string
  readonly #settings: ConnectionSettings
  readonly #closed: () => void
  readonly #listening: Listening
  #client: pg.Client | undefined
  #opening: Promise<pg.Client> | undefined
  #failedAt = Number.NEGATIVE_INFINITY
  #failure: unknown
  #opened = 0
  #isClosed = false

  /** @param closed called when it is closed for good */
  constructor(
    options: DatabaseOptions,
    name: string,
    settings: ConnectionSettings,
    closed: () => void,
    listening: Listening = { onStatement: undefined },
  ) {
    this.#listening = listening
    this.#options = options
    this.#name = name
    this.#settings = settings
    this.#closed = closed
  }

  /** How many times it was opened. A new value means that the old session is gone, with its LISTEN and its locks. */
  get opened(): number {
    return this.#opened
  }

  get isOpen(): boolean {
    return this.#client !== undefined
  }

  /** Whether it is there from the start to the end. */
  get isKept(): boolean {
    return this.#settings.reopens !== false && !this.#settings.isRare
  }

  /** Resolves when it is open. @throws AppError when it cannot be opened */
  async open(): Promise<void> {
    if (this.#client === undefined) await this.#open()
  }

  async query<Row extends object = Record<string, unknown>>(statement: Statement): Promise<QueryResult<Row>> {
    return this.#queryOn<Row>(this.#client ?? (await this.#open()), statement)
  }

  /**
   * Runs `work` in one transaction. Nobody else may use the connection meanwhile. When it breaks, the statements that
   * follow fail: none is sent over the connection that takes its place.
   */
  async transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = this.#client ?? (await this.#open())
    const tx: Queryable = { query: statement => this.#queryOn(client, statement) }
    try {
      await tx.query({ text: 'begin' })
      const result = await work(tx)
      await tx.query({ text: 'commit' })
      return result
    } catch (error) {
      // One that broke has lost its transaction.
      if (!isDatabaseUnavailable(error)) await tx.query({ text: 'rollback' })
      throw error
    }
  }

  async #queryOn<Row extends object>(client: pg.Client, statement: Statement): Promise<QueryResult<Row>> {
    try {
      return asResult<Row>(await this.#run(client, queryConfig(statement)))
    } catch (error) {
      const wrapped = asAppError(error)
      if (wrapped instanceof AppError) this.#drop(client)
      throw wrapped
    }
  }

  /**
   * With a callback, not with a race of the promise of node-postgres and one of a timer: then each statement stayed in
   * memory with its values, payloads too, until the next full collection (at 500 events/s 1.2 MB/s of buffers; now 0.1).
   */
  #run(client: pg.Client, config: pg.QueryConfig): Promise<pg.QueryResult> {
    const timeoutMs = this.#options.queryTimeoutMs
    const sentAt = performance.now()
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no answer from PostgreSQL within ${timeoutMs} ms`))
      const timer = setTimeout(late, timeoutMs)
      void client.query(config, (error: Error | null, result: pg.QueryResult) => {
        clearTimeout(timer)
        this.#listening.onStatement?.(this.#name, performance.now() - sentAt)
        if (error) reject(error)
        else resolve(result)
      })
    })
  }

  /** Listens on a channel, until this connection breaks or is closed (see `opened`). */
  async listen(channel: string): Promise<void> {
    await this.query({ text: `listen ${pg.escapeIdentifier(channel)}` })
  }

  async close(): Promise<void> {
    const client = this.#client
    this.#client = undefined
    this.#isClosed = true
    this.#closed()
    await client?.end()
  }

  #open(): Promise<pg.Client> {
    if (performance.now() - this.#failedAt < 250) return Promise.reject(notConnected(this.#failure))
    if (this.#settings.reopens === false && this.#opened > 0) {
      return Promise.reject(notConnected(new Error('the connection was lost')))
    }
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(): Promise<pg.Client> {
    // Statements have a time limit here (`#run`); node-postgres would set a second timer for each.
    const client = new pg.Client({ ...clientConfig(this.#options, this.#name), query_timeout: 0 })
    client.on('error', () => this.#drop(client))
    client.on('end', () => this.#drop(client))
    const { onNotification, session } = this.#settings
    client.on('notification', message => onNotification?.(message.channel, message.payload ?? ''))
    try {
      await client.connect()
      const text = `${sessionSettings(this.#options.queryTimeoutMs)};${session ?? ''}`
      await client.query({ text, query_timeout: this.#options.queryTimeoutMs + 1000 } as pg.QueryConfig)
      if (this.#isClosed) throw new Error('the connection was closed')
    } catch (error) {
      this.#failedAt = performance.now()
      this.#failure = error
      destroy(client)
      throw notConnected(error)
    }
    this.#client = client
    this.#opened++
    return client
  }

  #drop(client: pg.Client): void {
    if (this.#client === client) this.#client = undefined
    destroy(client)
  }
}

/** Why a statement could not even be sent: there was no connection. */
class NotConnected extends Error {
  override readonly name = 'NotConnected'
}

/** True when a statement certainly took no effect, because there was no connection to send it over. */
export function wasNeverSent(error: unknown): boolean {
  return error instanceof AppError && error.cause instanceof NotConnected
}

/** True when the database failed, not the statement. The statement may or may not have taken effect. */
export function isDatabaseUnavailable(error: unknown): error is AppError {
  return error instanceof AppError && error.code === 'database_unavailable'
}

/** The SQLSTATE of a server error, or undefined. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

/**
 * True when the server refuses the values of a row, and would do so at any time: what is wrong with them, or one of them
 * (22), a constraint (23), a limit of the program (54). A partition that is missing has the state of a constraint, but no
 * name of one.
 */
export function isRefusalOfValues(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false
  const state = error.code ?? ''
  return /^(22|54)/.test(state) || (state.startsWith('23') && error.constraint !== undefined)
}

/** Classes of SQLSTATE for failures that may pass: connection, resources, operator intervention, system, internal. */
const unavailableClasses = new Set(['08', '53', '57', '58', 'XX'])

function asAppError(error: unknown): unknown {
  if (error instanceof AppError) return error
  const state = sqlState(error)
  // 25006: a read-only standby after a failover. 42501: its rights were taken from the role, and may be given back.
  // 57014 (statement timeout) counts as unavailable with its class.
  const isOther = state !== '25006' && state !== '42501'
  if (state !== undefined && !unavailableClasses.has(state.slice(0, 2)) && isOther) return error
  if (state === undefined && error instanceof TypeError) return error // a bug of this program
  return new AppError('database_unavailable', 'The database does not answer; try again shortly.', {
    cause: error,
    retryAfterSeconds: 1,
  })
}

function notConnected(cause: unknown): unknown {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return asAppError(new NotConnected(reason, { cause }))
}

function transactionOn(client: pg.PoolClient): Queryable {
  return {
    async query<Row extends object>(statement: Statement) {
      try {
        return asResult<Row>(await client.query(queryConfig(statement)))
      } catch (error) {
        throw asAppError(error)
      }
    },
  }
}

function clientConfig(options: DatabaseOptions, name = 'pool'): pg.ClientConfig {
  return {
    ...options.connection,
    application_name: `webhooks ${process.pid} ${name}`,
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.queryTimeoutMs + 1000,
    keepAlive: true,
  }
}

/** Text → name of its prepared statement. Bounded by the number of statements in the code. */
const preparedNames = new Map<string, string>()

/** The hash of the text keeps two statements apart that were given the same name. */
function preparedName(name: string, text: string): string {
  const known = preparedNames.get(text)
  if (known !== undefined) return known
  const unique = `${name.slice(0, 50)}_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
  preparedNames.set(text, unique)
  return unique
}

function queryConfig(statement: Statement): pg.QueryConfig {
  const { name, text, values } = statement
  return {
    text,
    ...(name === undefined ? {} : { name: preparedName(name, text) }),
    ...(values === undefined ? {} : { values: values as unknown[] }), // node-postgres does not change them
  }
}

function asResult<Row>(result: pg.QueryResult): QueryResult<Row> {
  return { rows: result.rows as Row[], rowCount: result.rowCount ?? 0 } // the caller names the row its text selects
}

/** Ends a client without waiting: its server may be gone or frozen. */
function destroy(client: pg.Client): void {
  const stream = (client as unknown as { connection?: { stream?: { destroy?: () => void } } }).connection
    ?.stream
  stream?.destroy?.() // node-postgres has no public way to close a socket at once
}
