import type { Readable, Writable } from 'node:stream'
import type pg from 'pg'
import { from, to } from 'pg-copy-streams'
import type { Database, Queryable, QueryResult, Statement } from './postgres.ts'

/** Settings under which rows are written and read as text: the same in every database, whatever is set there. */
const textSettings = `
  set client_encoding = 'UTF8'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres'; set timezone = 'UTC';
  set bytea_output = 'hex'; set extra_float_digits = 3; set row_security = off;
  set statement_timeout = 0; set lock_timeout = 0; set idle_in_transaction_session_timeout = 0`

/**
 * One connection that copies whole tables as text, without a limit of time: for backups. Errors of the server come as they
 * are; when the connection breaks, whatever runs on it fails, and so does all that follows.
 */
export class CopySession implements Queryable {
  readonly #client: pg.Client

  private constructor(client: pg.Client) {
    this.#client = client
  }

  /** @param name shown to the operators of the database (`pg_stat_activity`) */
  static async open(database: Database, name: string): Promise<CopySession> {
    const client = await database.openClient(name)
    await client.query(textSettings)
    return new CopySession(client)
  }

  async query<Row extends object = Record<string, unknown>>(statement: Statement): Promise<QueryResult<Row>> {
    const { rows, rowCount } = await this.#client.query<Row>(statement.text, [...(statement.values ?? [])])
    return { rows, rowCount: rowCount ?? 0 }
  }

  /** Several statements without values at once. */
  async run(text: string): Promise<void> {
    await this.#client.query(text)
  }

  /** The result of a `COPY … TO STDOUT`; to be read to its end before the next statement. */
  read(copyStatement: string): Readable & { readonly rowCount: number } {
    return this.#client.query(to(copyStatement))
  }

  /** The input of a `COPY … FROM STDIN`; to be ended before the next statement. Finished: the rows are in. */
  write(copyStatement: string): Writable & { readonly rowCount: number } {
    return this.#client.query(from(copyStatement))
  }

  close(): Promise<void> {
    return this.#client.end()
  }
}
