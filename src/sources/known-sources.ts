import { createHash } from 'node:crypto'
import type { Logger } from '../platform/logger.ts'
import type { Queryable } from '../platform/postgres.ts'
import type { Sealer } from '../platform/seal.ts'
import { type EventTypeTemplate, parseEventType, parsePlace } from './places.ts'
import type { Challenge, Place, Verification } from './preset.ts'
import { presetOf } from './presets.ts'
import type { SourceAnswer } from './schema.ts'
import { verificationOf } from './settings.ts'
import { readSourceRow, type SourceRow, scanSources } from './store.ts'

/** The notice that a source was made, changed or deleted: its id. */
export const sourceNotice = { channel: 'sources', parse: Number } as const

/** The place of each sealed value. */
export const sourceSealContext = {
  token: (id: number) => `source:${id}:token`,
  secret: (id: number) => `source:${id}:secret`,
} as const

/** The path of a source on this service. */
export const sourcePath = (token: string) => `/in/${token}`

/** A source as the path of an event needs it: its secrets opened, defaults filled in. */
export interface KnownSource {
  readonly id: number
  readonly tenant: string
  readonly name: string
  readonly presetId: string
  readonly verification: Verification
  readonly secrets: readonly { readonly text: string; readonly expiresAt: number | null }[]
  readonly toleranceSeconds: number | undefined
  /** Where the event type stands by the preset. */
  readonly typePlaces: readonly Place[]
  /** Undefined: as it stands there. */
  readonly typeTemplate: EventTypeTemplate | undefined
  readonly dedupe: readonly Place[]
  readonly challenge: Challenge | undefined
  /** As the provider was given it. */
  readonly publicUrl: string
  readonly channels: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly forwardHeaders: readonly string[]
  readonly forwardPrefix: string
  /** Undefined: the id of the event, as JSON. */
  readonly answer: SourceAnswer | undefined
}

export interface KnownSourcesDeps {
  readonly database: Queryable
  readonly seal: Sealer
  readonly logger: Logger
  /** Where clients reach this service, without the last slash; undefined: where each source was made. */
  readonly publicUrl: string | undefined
}

/** Rows that are read at a time. */
const pageRows = 1000

/**
 * All sources, in memory: they follow the table by notices. So a request that comes to an address asks the database
 * nothing, whether there is a source at it or not.
 */
export class KnownSources {
  readonly #deps: KnownSourcesDeps
  /** By the hash of their tokens: how long it takes to find one says nothing of the tokens there are. */
  #byToken = new Map<string, KnownSource>()
  #tokens = new Map<number, string>()
  #reading: Promise<unknown> = Promise.resolve()

  constructor(deps: KnownSourcesDeps) {
    this.#deps = deps
  }

  get size(): number {
    return this.#byToken.size
  }

  ofToken(token: string): KnownSource | undefined {
    return this.#byToken.get(hashOf(token))
  }

  /** Takes a row as it is now; undefined: there is none. Each row is taken in the order in which it was read. */
  take(id: number, row: SourceRow | undefined): void {
    const before = this.#tokens.get(id)
    if (before !== undefined) this.#byToken.delete(before)
    this.#tokens.delete(id)
    if (row === undefined) return
    const opened = this.#open(row)
    if (opened === undefined) return
    this.#tokens.set(id, opened.hash)
    if (row.enabled) this.#byToken.set(opened.hash, opened.source)
  }

  /** Reads one again. */
  refresh(id: number): Promise<void> {
    return this.#inTurn(async () => this.take(id, await readSourceRow(this.#deps.database, id)))
  }

  /** Reads all of them anew. */
  load(): Promise<void> {
    return this.#inTurn(async () => {
      const there = new Set<number>()
      for (let after: number | undefined = 0; after !== undefined; ) {
        const rows: readonly SourceRow[] = await scanSources(this.#deps.database, after, pageRows)
        for (const row of rows) {
          there.add(row.id)
          this.take(row.id, row)
        }
        after = rows.length < pageRows ? undefined : rows.at(-1)?.id
      }
      for (const id of [...this.#tokens.keys()]) if (!there.has(id)) this.take(id, undefined)
    })
  }

  #inTurn(read: () => Promise<void>): Promise<void> {
    const reading = this.#reading.then(read)
    this.#reading = reading.catch(() => {})
    return reading
  }

  /** Undefined: this process has not the key, or not the preset. It is told, and takes nothing. */
  #open(row: SourceRow): { readonly hash: string; readonly source: KnownSource } | undefined {
    const { seal, logger, publicUrl } = this.#deps
    try {
      const token = seal.open(row.token, sourceSealContext.token(row.id))
      return { hash: hashOf(token), source: openSource(row, token, seal, publicUrl) }
    } catch (error) {
      logger.error({ err: error, source_id: row.id }, 'a source cannot be opened, and takes nothing')
      return undefined
    }
  }
}

function openSource(row: SourceRow, token: string, seal: Sealer, publicUrl: string | undefined): KnownSource {
  const { id, tenant, name, settings } = row
  const preset = presetOf(row.preset)
  if (preset === undefined) throw new Error(`there is no preset ${row.preset}`)
  return {
    ...{ id, tenant, name, presetId: preset.id },
    verification: verificationOf(preset, settings),
    secrets: row.secrets.map(secret => ({
      text: seal.open(secret.sealed, sourceSealContext.secret(id)),
      expiresAt: secret.expires_at === null ? null : Date.parse(secret.expires_at),
    })),
    toleranceSeconds: settings.tolerance_seconds ?? undefined,
    typePlaces: preset.eventType,
    typeTemplate: settings.event_type === null ? undefined : parseEventType(settings.event_type),
    dedupe: settings.dedupe?.flatMap(text => parsePlace(text) ?? []) ?? preset.dedupe,
    challenge: preset.challenge,
    publicUrl: settings.public_url ?? (publicUrl ?? settings.base_url) + sourcePath(token),
    channels: settings.channels,
    metadata: settings.metadata,
    forwardHeaders: settings.forward_headers,
    forwardPrefix: settings.forward_prefix,
    answer: settings.answer ?? preset.answer,
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}
