import { setImmediate as nextTurn } from 'node:timers/promises'
import { recordChange } from '../audit/audit.ts'
import { differences, type Fields } from '../audit/changes.ts'
import { AppError, type FieldError, validationFailed } from '../errors.ts'
import type { Caller } from '../model/caller.ts'
import { lockForTransaction } from '../platform/advisory-lock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { CompiledSchemas } from './compiled-schemas.ts'
import { type CompiledSchema, compileSchema } from './json-schema.ts'
import { documentFaults, documentOf, type Imported, importedType } from './openapi.ts'
import {
  type EventType,
  type EventTypeDocument,
  type EventTypeImport,
  type EventTypeInput,
  limits,
  nameFault,
} from './schema.ts'
import { isDeeper, type RawSchema } from './schema-shape.ts'
import {
  deleteType,
  type EventTypeRow,
  type EventTypeValues,
  listTypes,
  lockType,
  measureCatalogue,
  readCatalogue,
  readChecked,
  readType,
  writeType,
} from './store.ts'

/** The notice that an event type was made, changed or deleted: its tenant, which is not needed here. */
export const eventTypeNotice = { channel: 'event_types', parse: (text: string) => text } as const

export interface EventTypesDeps {
  readonly database: Database
  readonly log: Logger
  /** Replaced in tests: of how many characters sources are kept compiled. */
  readonly schemaCharsMax?: number
}

/** An event type whose payloads are checked; undefined in its place: it stands in for such a one of the installation. */
interface Checked {
  readonly id: number
  readonly version: number
}

/**
 * The catalogue of event types. A type belongs to the installation, for all tenants, as the types of a SaaS do; or to one
 * tenant, where it takes the place of the installation's of the same name. Types that are in no catalogue are accepted:
 * the catalogue describes events, and gates only those whose type says so.
 *
 * Which types are checked is in the memory of each process, and follows the table by notices; schemas are compiled when an
 * event needs them first.
 */
export class EventTypes {
  readonly #database: Database
  readonly #compiled: CompiledSchemas
  /** By tenant ('' for the installation), then by name. */
  #checked: ReadonlyMap<string, ReadonlyMap<string, Checked | undefined>> = new Map()
  #loading: Promise<void> | undefined
  #waiting: Promise<void> | undefined

  constructor({ database, log, schemaCharsMax }: EventTypesDeps) {
    this.#database = database
    this.#compiled = new CompiledSchemas(database, log, schemaCharsMax)
  }

  /** Reads anew which types are checked. Calls during one reading share the next. */
  load(): Promise<void> {
    const before = this.#loading ?? Promise.resolve()
    this.#waiting ??= before
      .catch(() => {})
      .then(() => {
        const loading = this.#load().finally(() => {
          if (this.#loading === loading) this.#loading = undefined
        })
        this.#loading = loading
        this.#waiting = undefined
        return loading
      })
    return this.#waiting
  }

  async #load(): Promise<void> {
    const checked = new Map<string, Map<string, Checked | undefined>>()
    for (const { id, tenant, name, version, validate } of await readChecked(this.#database)) {
      const names = checked.get(tenant ?? '') ?? new Map<string, Checked | undefined>()
      checked.set(tenant ?? '', names.set(name, validate === 'reject' ? { id, version } : undefined))
    }
    this.#checked = checked
  }

  /**
   * Whether an event may be published: its payload fits the schema of its type, where that is checked. Where it is not, two
   * look-ups in memory.
   *
   * @returns why it is refused (`payload_refused`); undefined: it is fine. A promise when the schema has to be read first,
   *   which rejects with `database_unavailable` when that fails
   */
  check(
    tenant: string,
    eventType: string | null,
    payload: Uint8Array,
  ): AppError | undefined | Promise<AppError | undefined> {
    if (this.#checked.size === 0 || eventType === null) return undefined
    const checked = this.#rule(tenant, eventType)
    if (checked === undefined) return undefined
    const schema = this.#compiled.get(checked.id, checked.version)
    if (schema !== undefined) return refusal(schema, eventType, payload)
    return this.#compiled
      .open(checked.id, checked.version)
      .then(opened => opened && refusal(opened, eventType, payload))
  }

  #rule(tenant: string, name: string): Checked | undefined {
    const own = this.#checked.get(tenant)
    return own?.has(name) ? own.get(name) : this.#checked.get('')?.get(name)
  }

  /** The types that hold for a tenant, or those of the installation (null); newest first, from below the id `before`. */
  list(
    tenant: string | null,
    page: { readonly limit: number; readonly before: number },
  ): Promise<readonly EventTypeRow[]> {
    return listTypes(this.#database, tenant, page)
  }

  /** The type that holds for a tenant, or the installation's (null). */
  async read(tenant: string | null, name: string): Promise<EventType | undefined> {
    const row = await readType(this.#database, tenant, name)
    return row && eventTypeAnswer(row)
  }

  /** All types that hold for a tenant, or those of the installation (null), as a document of OpenAPI 3.1. */
  async document(tenant: string | null): Promise<EventTypeDocument> {
    return documentOf(await readCatalogue(this.#database, tenant))
  }

  /**
   * Makes or replaces a type of the caller's tenant, or of the installation where the caller is for none.
   *
   * @throws AppError validation_failed, catalogue_full
   */
  async put(
    caller: Caller,
    name: string,
    input: EventTypeInput,
  ): Promise<{ readonly type: EventType; readonly isNew: boolean }> {
    const values = valuesOf(input)
    const errors = valueFaults(values)
    if (errors.length > 0) throw validationFailed(errors)
    const tenant = caller.reach.tenant
    const done = await this.#database
      .transaction(async tx => {
        await lockForTransaction(tx, 'eventTypes')
        const before = await lockType(tx, tenant, name)
        const row = await this.#write(tx, caller, name, before, values)
        await checkSize(tx, tenant)
        return { row, isNew: before === undefined }
      })
      .catch(unknownTenant(tenant))
    await this.load()
    return { type: eventTypeAnswer(done.row), isNew: done.isNew }
  }

  /** Deletes a type of the caller's tenant, or of the installation. @returns whether there was one */
  async remove({ actor, reach: { tenant } }: Caller, name: string): Promise<boolean> {
    const removed = await this.#database.transaction(async tx => {
      const row = await lockType(tx, tenant, name)
      if (row === undefined) return false
      await deleteType(tx, row.id)
      const changes = differences(fieldsOf(row), undefined)
      await recordChange(tx, actor, { action: 'event_type.deleted', subjectId: name, tenant, changes })
      return true
    })
    if (removed) await this.load()
    return removed
  }

  /**
   * Makes and replaces the types that a document of OpenAPI describes. Those that cannot be used are left out; all others
   * are written in one transaction. Types that the document does not name stay.
   *
   * @throws AppError validation_failed for the document as a whole, catalogue_full
   */
  async import(caller: Caller, document: RawSchema): Promise<EventTypeImport> {
    const faults = documentFaults(document)
    if (faults.length > 0) throw validationFailed(faults)
    const read: Imported[] = []
    for (const name of Object.keys(Object(document.webhooks))) {
      const imported = importedType(document, name)
      const errors = imported.kind === 'read' ? [...nameFaults(name), ...inputFaults(imported.input)] : []
      read.push(errors.length > 0 ? { kind: 'refused', name, errors } : imported)
      await nextTurn() // others get their turn between two schemas
    }
    const tenant = caller.reach.tenant
    const report = await this.#database
      .transaction(async tx => {
        await lockForTransaction(tx, 'eventTypes')
        const made: EventTypeImport = { created: [], updated: [], unchanged: [], refused: [] }
        for (const one of read) {
          if (one.kind === 'refused') made.refused.push({ name: one.name, errors: [...one.errors] })
          else made[await this.#importOne(tx, caller, one.name, one.input)].push(one.name)
        }
        await checkSize(tx, tenant)
        return made
      })
      .catch(unknownTenant(tenant))
    await this.load()
    return report
  }

  async #importOne(
    tx: Queryable,
    caller: Caller,
    name: string,
    input: EventTypeInput,
  ): Promise<'created' | 'updated' | 'unchanged'> {
    const before = await lockType(tx, caller.reach.tenant, name)
    const values = valuesOf({ ...input, validate: input.validate ?? before?.validate ?? 'off' })
    const isSame = before && differences(fieldsOf(before), fieldsOf(values)).length === 0
    if (isSame) return 'unchanged'
    await this.#write(tx, caller, name, before, values)
    return before === undefined ? 'created' : 'updated'
  }

  async #write(
    tx: Queryable,
    { actor, reach: { tenant } }: Caller,
    name: string,
    before: EventTypeRow | undefined,
    values: EventTypeValues,
  ): Promise<EventTypeRow> {
    const row = await writeType(tx, tenant, name, values)
    await recordChange(tx, actor, {
      action: before === undefined ? 'event_type.created' : 'event_type.updated',
      subjectId: name,
      tenant,
      changes: differences(before && fieldsOf(before), fieldsOf(row)),
    })
    return row
  }
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function refusal(schema: CompiledSchema, eventType: string, payload: Uint8Array): AppError | undefined {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(payload))
  } catch {
    return new AppError(
      'payload_refused',
      `Events of the type ${eventType} are JSON in UTF-8, and this payload is not. Correct it, or its event type.`,
    )
  }
  const errors = schema.faults(value)
  const [first] = errors
  if (first === undefined) return undefined
  const where = first.pointer === '' ? 'The payload' : first.pointer
  const detail =
    errors.length === 1
      ? `${where}: ${first.detail} Events of the type ${eventType} are checked.`
      : `${errors.length} places of the payload do not fit the event type ${eventType}; see errors.`
  return new AppError('payload_refused', detail, { errors })
}

function valuesOf(input: EventTypeInput): EventTypeValues {
  return {
    description: input.description ?? null,
    schema: input.schema ?? null,
    examples: input.examples ?? [],
    deprecated: input.deprecated ?? false,
    validate: input.validate ?? 'off',
  }
}

/** Those of an import, which no schema of a route has seen. */
function inputFaults(input: EventTypeInput): readonly FieldError[] {
  const chars = [...(input.description ?? '')].length
  const detail = `Give a text of at most ${limits.descriptionChars} characters.`
  return [
    ...(chars > limits.descriptionChars ? [{ pointer: '/description', detail }] : []),
    ...valueFaults(valuesOf(input)),
  ]
}

function nameFaults(name: string): readonly FieldError[] {
  const detail = nameFault(name)
  return detail === undefined ? [] : [{ pointer: '', detail }]
}

function valueFaults({ schema, examples }: EventTypeValues): readonly FieldError[] {
  if (isDeeper(examples, limits.exampleDepth)) {
    return [{ pointer: '/examples', detail: `Nest at most ${limits.exampleDepth} levels.` }]
  }
  if (schema === null) return []
  const compiled = compileSchema(schema)
  if (compiled.kind === 'refused')
    return compiled.errors.map(({ pointer, detail }) => ({ pointer: `/schema${pointer}`, detail }))
  return examples.flatMap((example, index) =>
    compiled.schema
      .faults(example)
      .map(({ pointer, detail }) => ({ pointer: `/examples/${index}${pointer}`, detail })),
  )
}

async function checkSize(tx: Queryable, tenant: string | null): Promise<void> {
  const { types, chars } = await measureCatalogue(tx, tenant)
  if (types <= limits.types && chars <= limits.catalogueChars) return
  throw new AppError(
    'catalogue_full',
    `A catalogue has at most ${limits.types} event types, whose schemas and examples have at most ` +
      `${limits.catalogueChars} characters together. Delete some first, or make them shorter.`,
  )
}

function fieldsOf({ description, schema, examples, deprecated, validate }: EventTypeValues): Fields {
  // The schema as one value: its keywords are no fields of the type.
  return { description, schema: schema === null ? null : [schema], examples, deprecated, validate }
}

export function eventTypeAnswer(row: EventTypeRow): EventType {
  return {
    name: row.name,
    tenant: row.tenant,
    description: row.description,
    schema: row.schema,
    examples: [...row.examples],
    deprecated: row.deprecated,
    validate: row.validate,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  }
}

/** SQLSTATE: a row names another one that is not there. */
const foreignKeyViolation = '23503'

function unknownTenant(tenant: string | null) {
  return (error: unknown): never => {
    if (Object(error).code !== foreignKeyViolation) throw error
    throw validationFailed([{ pointer: 'tenant', detail: `There is no tenant ${tenant}.` }])
  }
}
