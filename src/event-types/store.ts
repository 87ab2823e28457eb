import type { Queryable } from '../platform/postgres.ts'

/** Whether events are refused whose payload does not fit the schema. */
export const validations = ['off', 'reject'] as const
export type Validation = (typeof validations)[number]

/** What people set. */
export interface EventTypeValues {
  readonly description: string | null
  /** A JSON Schema; null: none. */
  readonly schema: unknown
  readonly examples: readonly unknown[]
  readonly deprecated: boolean
  readonly validate: Validation
}

export interface EventTypeRow extends EventTypeValues {
  readonly id: number
  /** Null: of the installation, for all tenants that have none of this name. */
  readonly tenant: string | null
  readonly name: string
  readonly created_at: Date
  readonly updated_at: Date
  readonly version: number
}

const columns =
  'id, tenant, name, description, schema, examples, deprecated, validate, created_at, updated_at, version'

/** In `t`: those of a tenant, and those of the installation that it has none of its own for. `$1` null: the latter alone. */
const effective = `(t.tenant = $1 or t.tenant is null and not exists (
  select from event_types own where own.tenant = $1 and own.name = t.name))`

/** Newest first, from below `before`. */
export async function listTypes(
  db: Queryable,
  tenant: string | null,
  page: { readonly limit: number; readonly before: number },
): Promise<readonly EventTypeRow[]> {
  const { rows } = await db.query<EventTypeRow>({
    text: `select ${columns} from event_types t where ${effective} and id < $2 order by id desc limit $3`,
    values: [tenant, page.before, page.limit],
  })
  return rows
}

/** All that hold for a tenant, by name. A catalogue is bounded in number and size. */
export async function readCatalogue(db: Queryable, tenant: string | null): Promise<readonly EventTypeRow[]> {
  const { rows } = await db.query<EventTypeRow>({
    text: `select ${columns} from event_types t where ${effective} order by name collate "C"`,
    values: [tenant],
  })
  return rows
}

/** The one that holds for a tenant. */
export async function readType(
  db: Queryable,
  tenant: string | null,
  name: string,
): Promise<EventTypeRow | undefined> {
  const { rows } = await db.query<EventTypeRow>({
    text: `select ${columns} from event_types t where name = $2 and ${effective}`,
    values: [tenant, name],
  })
  return rows[0]
}

/** What a catalogue holds: how many types, and how many characters of schemas and examples. */
export async function measureCatalogue(
  tx: Queryable,
  tenant: string | null,
): Promise<{ readonly types: number; readonly chars: number }> {
  const { rows } = await tx.query<{ types: number; chars: number }>({
    text: `select count(*)::int as types,
             coalesce(sum(coalesce(length(schema::text), 0) + length(examples::text)), 0)::int as chars
           from event_types where tenant is not distinct from $1`,
    values: [tenant],
  })
  return rows[0] ?? { types: 0, chars: 0 }
}

/** The tenant's own, not one of the installation; locked. */
export async function lockType(
  tx: Queryable,
  tenant: string | null,
  name: string,
): Promise<EventTypeRow | undefined> {
  const { rows } = await tx.query<EventTypeRow>({
    text: `select ${columns} from event_types where tenant is not distinct from $1 and name = $2 for update`,
    values: [tenant, name],
  })
  return rows[0]
}

export async function writeType(
  tx: Queryable,
  tenant: string | null,
  name: string,
  values: EventTypeValues,
): Promise<EventTypeRow> {
  const { rows } = await tx.query<EventTypeRow>({
    text: `
      insert into event_types (tenant, name, description, schema, examples, deprecated, validate)
      values ($1, $2, $3, $4, $5, $6, $7)
      on conflict (tenant, name) do update set
        description = excluded.description, schema = excluded.schema, examples = excluded.examples,
        deprecated = excluded.deprecated, validate = excluded.validate, updated_at = now(),
        version = event_types.version + 1
      returning ${columns}`,
    values: [
      tenant,
      name,
      values.description,
      values.schema === null ? null : JSON.stringify(values.schema),
      JSON.stringify(values.examples),
      values.deprecated,
      values.validate,
    ],
  })
  const [row] = rows
  if (row === undefined) throw new Error('a statement that answers one row answered none')
  return row
}

export async function deleteType(tx: Queryable, id: number): Promise<void> {
  await tx.query({ text: 'delete from event_types where id = $1', values: [id] })
}

/** A type whose payloads are checked, or one of a tenant that stands in for such a one of the installation. */
export interface CheckedRow {
  readonly id: number
  readonly tenant: string | null
  readonly name: string
  readonly version: number
  readonly validate: Validation
}

export async function readChecked(db: Queryable): Promise<readonly CheckedRow[]> {
  const { rows } = await db.query<CheckedRow>({
    text: `
      select id, tenant, name, version, validate from event_types where validate = 'reject'
      union all
      select own.id, own.tenant, own.name, own.version, own.validate
      from event_types of_all join event_types own on own.name = of_all.name
      where of_all.validate = 'reject' and of_all.tenant is null and own.tenant is not null and own.validate = 'off'`,
  })
  return rows
}

/** Undefined: it was deleted. */
export async function readSchema(
  db: Queryable,
  id: number,
): Promise<{ readonly schema: unknown; readonly version: number; readonly chars: number } | undefined> {
  const { rows } = await db.query<{ schema: unknown; version: number; chars: number }>({
    text: 'select schema, version, coalesce(length(schema::text), 0) as chars from event_types where id = $1',
    values: [id],
  })
  return rows[0]
}
