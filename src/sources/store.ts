import type { Queryable } from '../platform/postgres.ts'
import type { SourceSettings } from './schema.ts'

/** A secret as it is stored. */
export interface StoredSecret {
  readonly sealed: string
  /** RFC 3339; null: it is good until it is replaced. */
  readonly expires_at: string | null
}

/** What is needed to take requests. */
export interface SourceRow {
  readonly id: number
  readonly tenant: string
  readonly name: string
  readonly preset: string
  /** Sealed. */
  readonly token: string
  readonly secrets: readonly StoredSecret[]
  readonly settings: SourceSettings & { readonly base_url: string }
  readonly enabled: boolean
}

/** The same with what is shown of it. */
export interface WholeSourceRow extends SourceRow {
  readonly created_at: Date
  readonly updated_at: Date
  readonly accepted: number
  readonly repeated: number
  readonly refused: number
  readonly last_accepted_at: Date | null
  readonly last_refused_at: Date | null
  readonly refused_in_a_row: number
  readonly refusing_since: Date | null
  readonly last_reason: string | null
}

const columns = 'id, tenant, name, preset, token, secrets, settings, enabled'
const wholeColumns = `${columns}, created_at, updated_at, accepted::float8 as accepted, repeated::float8 as repeated,
  refused::float8 as refused, last_accepted_at, last_refused_at, refused_in_a_row::float8 as refused_in_a_row,
  refusing_since, last_reason`

/** Takes the next id before the row is there, because its secrets are sealed to it. */
export async function takeSourceId(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ id: number }>({
    text: `select nextval(pg_get_serial_sequence('sources', 'id'))::int as id`,
  })
  return only(rows).id
}

export async function insertSource(tx: Queryable, source: SourceRow): Promise<WholeSourceRow> {
  const { rows } = await tx.query<WholeSourceRow>({
    text: `insert into sources (${columns}) overriding system value values ($1, $2, $3, $4, $5, $6, $7, $8)
           returning ${wholeColumns}`,
    values: valuesOf(source),
  })
  return only(rows)
}

export async function updateSource(tx: Queryable, source: SourceRow): Promise<WholeSourceRow> {
  const { rows } = await tx.query<WholeSourceRow>({
    text: `update sources set tenant = $2, name = $3, preset = $4, token = $5, secrets = $6, settings = $7, enabled = $8,
             updated_at = now()
           where id = $1 returning ${wholeColumns}`,
    values: valuesOf(source),
  })
  return only(rows)
}

function valuesOf({ id, tenant, name, preset, token, secrets, settings, enabled }: SourceRow) {
  return [id, tenant, name, preset, token, JSON.stringify(secrets), JSON.stringify(settings), enabled]
}

export async function countSources(
  tx: Queryable,
  tenant: string,
): Promise<{ readonly own: number; readonly all: number }> {
  const { rows } = await tx.query<{ own: number; all: number }>({
    text: `select count(*) filter (where tenant = $1)::int as own, count(*)::int as "all" from sources`,
    values: [tenant],
  })
  return only(rows)
}

/** A page of all there are, by their ids, from above `after`. */
export async function scanSources(
  db: Queryable,
  after: number,
  limit: number,
): Promise<readonly SourceRow[]> {
  const { rows } = await db.query<SourceRow>({
    text: `select ${columns} from sources where id > $1 order by id limit $2`,
    values: [after, limit],
  })
  return rows
}

export async function readSourceRow(db: Queryable, id: number): Promise<SourceRow | undefined> {
  const { rows } = await db.query<SourceRow>({
    text: `select ${columns} from sources where id = $1`,
    values: [id],
  })
  return rows[0]
}

/** Newest first, from below `before`. */
export async function listSources(
  db: Queryable,
  tenant: string | null,
  { before, limit }: { readonly before: number; readonly limit: number },
): Promise<readonly WholeSourceRow[]> {
  const { rows } = await db.query<WholeSourceRow>({
    text: `select ${wholeColumns} from sources
           where id < $2 and ($1::text is null or tenant = $1) order by id desc limit $3`,
    values: [tenant, before, limit],
  })
  return rows
}

export async function readSource(
  db: Queryable,
  tenant: string | null,
  id: number,
): Promise<WholeSourceRow | undefined> {
  const { rows } = await db.query<WholeSourceRow>({
    text: `select ${wholeColumns} from sources where id = $1 and ($2::text is null or tenant = $2)`,
    values: [id, tenant],
  })
  return rows[0]
}

/** Locks it until the end of the transaction. */
export async function lockSource(
  tx: Queryable,
  tenant: string | null,
  id: number,
): Promise<WholeSourceRow | undefined> {
  const { rows } = await tx.query<WholeSourceRow>({
    text: `select ${wholeColumns} from sources where id = $1 and ($2::text is null or tenant = $2) for update`,
    values: [id, tenant],
  })
  return rows[0]
}

/** With what it refused. */
export async function deleteSource(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: 'delete from sources where id = $1', values: [id] })
}

/** Removes up to `limit` of a tenant, and tells every process. @returns how many */
export async function deleteSourcesOf(db: Queryable, tenant: string, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    text: `
      with gone as (
        delete from sources where id = any(array(select id from sources where tenant = $1 order by id limit $2))
        returning id)
      select pg_notify('sources', id::text) from gone`,
    values: [tenant, limit],
  })
  return rowCount
}

/** Tells every process, this one included, at commit. */
export async function notifySource(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: `select pg_notify('sources', $1)`, values: [String(id)] })
}

/** Sources of which something is sealed with another key than the newest, from above `after`. */
export async function lockSealedOtherwise(
  tx: Queryable,
  prefix: string,
  after: number,
  limit: number,
): Promise<readonly Pick<SourceRow, 'id' | 'token' | 'secrets'>[]> {
  const { rows } = await tx.query<Pick<SourceRow, 'id' | 'token' | 'secrets'>>({
    text: `select id, token, secrets from sources
           where id > $2 and (token not like $1 || '%'
             or exists (select from jsonb_array_elements(secrets) s where s ->> 'sealed' not like $1 || '%'))
           order by id limit $3 for update`,
    values: [prefix, after, limit],
  })
  return rows
}

export async function updateSealed(
  tx: Queryable,
  { id, token, secrets }: Pick<SourceRow, 'id' | 'token' | 'secrets'>,
): Promise<void> {
  await tx.query({
    text: 'update sources set token = $2, secrets = $3 where id = $1',
    values: [id, token, JSON.stringify(secrets)],
  })
}

function only<Row>(rows: readonly Row[]): Row {
  const [row] = rows
  if (row === undefined) throw new Error('a statement that answers one row answered none')
  return row
}
