import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import { type CompiledSchema, compileSchema } from './json-schema.ts'
import { readSchema } from './store.ts'

interface Kept {
  readonly version: number
  /** Of its source. */
  readonly chars: number
  readonly schema: CompiledSchema
}

/** Sources of all that are kept, together: compiled they take some five times as much. */
const usualCharsMax = 4_194_304

/** The schemas of event types that events are checked by, each compiled once, and those that were used last kept. */
export class CompiledSchemas {
  readonly #db: Queryable
  readonly #log: Logger
  readonly #charsMax: number
  /** By the id of the event type, the one that was used last at the end. */
  readonly #kept = new Map<number, Kept>()
  readonly #opening = new Map<string, Promise<CompiledSchema | undefined>>()
  #chars = 0

  constructor(db: Queryable, log: Logger, charsMax = usualCharsMax) {
    this.#db = db
    this.#log = log
    this.#charsMax = charsMax
  }

  /** From memory. */
  get(id: number, version: number): CompiledSchema | undefined {
    const kept = this.#kept.get(id)
    if (kept?.version !== version) return undefined
    this.#kept.delete(id)
    this.#kept.set(id, kept)
    return kept.schema
  }

  /** From the table. @returns undefined when it was deleted, or cannot be compiled, which is logged */
  open(id: number, version: number): Promise<CompiledSchema | undefined> {
    const key = `${id} ${version}`
    const opening = this.#opening.get(key) ?? this.#read(id).finally(() => this.#opening.delete(key))
    this.#opening.set(key, opening)
    return opening
  }

  async #read(id: number): Promise<CompiledSchema | undefined> {
    const row = await readSchema(this.#db, id)
    if (row === undefined) return undefined
    const compiled = compileSchema(row.schema ?? true)
    if (compiled.kind === 'refused') {
      // It was checked when it was saved. Events are not refused for a mistake that is ours.
      this.#log.error(
        { event_type: id, errors: compiled.errors },
        'the schema of an event type cannot be used',
      )
      return undefined
    }
    this.#keep(id, { version: row.version, chars: row.chars + 1000, schema: compiled.schema })
    return compiled.schema
  }

  #keep(id: number, kept: Kept): void {
    this.#drop(id)
    this.#kept.set(id, kept)
    this.#chars += kept.chars
    for (const oldest of this.#kept.keys()) {
      if (this.#chars <= this.#charsMax || oldest === id) break
      this.#drop(oldest)
    }
  }

  #drop(id: number): void {
    this.#chars -= this.#kept.get(id)?.chars ?? 0
    this.#kept.delete(id)
  }
}
