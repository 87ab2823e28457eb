import { randomBytes } from 'node:crypto'
import { recordChange } from '../audit/audit.ts'
import { differences, type Fields, secretDifferences } from '../audit/changes.ts'
import { AppError, jsonPointer, validationFailed } from '../errors.ts'
import { type Caller, defaultTenant, type Reach } from '../model/caller.ts'
import { lockForTransaction } from '../platform/advisory-lock.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkSealingKey, type Sealer } from '../platform/seal.ts'
import { live, overlapSeconds, rotated } from '../subscriptions/rotation.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'
import { checkTenant } from '../tenants/tenants.ts'
import { KnownSources, sourcePath, sourceSealContext } from './known-sources.ts'
import type { Preset } from './preset.ts'
import { refusalView } from './refusal-view.ts'
import { listRefusals } from './refusals-store.ts'
import {
  type RefusalView,
  type SourceCreate,
  type SourcePatch,
  type SourceSecretRotation,
  type SourceSettings,
  type SourceView,
  sourceLimits,
  usualSettings,
} from './schema.ts'
import { checkNumber, checkSecrets, knownPreset, mergedSettings, verificationOf } from './settings.ts'
import {
  countSources,
  deleteSource,
  insertSource,
  listSources,
  lockSource,
  notifySource,
  readSource,
  type SourceRow,
  type StoredSecret,
  takeSourceId,
  updateSource,
  type WholeSourceRow,
} from './store.ts'

export interface SourcesDeps {
  readonly database: Database
  readonly seal: Sealer
  readonly clock: Clock
  readonly logger: Logger
  /** Where clients reach this service, without the last slash; undefined: where the request was sent to that made a source. */
  readonly publicUrl: string | undefined
  /** Below which path that is, where `publicUrl` does not say it: empty, or such as `/hooks`. */
  readonly basePath?: string
}

/** What providers send to: sources as people manage them. */
export class Sources {
  readonly #deps: SourcesDeps
  /** Those that take requests. */
  readonly known: KnownSources

  constructor(deps: SourcesDeps) {
    this.#deps = deps
    this.known = new KnownSources(deps)
  }

  /**
   * Makes a source of the tenant that the caller is for, else of the default one.
   *
   * @param askedAt where the request was sent to, such as `http://localhost:8000`
   * @throws AppError validation_failed, sources_full
   */
  async create({ actor, reach }: Caller, body: SourceCreate, askedAt: string): Promise<WholeSourceRow> {
    const { database, seal, basePath = '' } = this.#deps
    const tenant = reach.tenant ?? defaultTenant
    const preset = knownPreset(body.preset)
    const settings = mergedSettings(usualSettings, body, preset)
    const secrets = body.secrets ?? []
    checkSecretsOf(secrets, preset, settings)
    const token = randomBytes(32).toString('base64url')
    const row = await database.transaction(async tx => {
      await checkSealingKey(tx, seal)
      await checkTenant(tx, tenant)
      await lockForTransaction(tx, 'sources')
      await checkRoom(tx, tenant)
      const id = await takeSourceId(tx)
      const made = await insertSource(tx, {
        ...{ id, tenant, name: body.name, preset: preset.id },
        token: seal.seal(token, sourceSealContext.token(id)),
        secrets: secrets.map(secret => this.#sealed(id, secret)),
        settings: { ...settings, base_url: askedAt + basePath },
        enabled: body.enabled ?? true,
      })
      await recordChange(tx, actor, {
        ...{ action: 'source.created', subjectId: id, tenant },
        changes: changesBetween(undefined, made),
      })
      await notifySource(tx, id)
      return made
    })
    this.known.take(row.id, row)
    return row
  }

  list(
    reach: Reach,
    page: { readonly before: number; readonly limit: number },
  ): Promise<readonly WholeSourceRow[]> {
    return listSources(this.#deps.database, reach.tenant, page)
  }

  read(reach: Reach, id: number): Promise<WholeSourceRow | undefined> {
    return readSource(this.#deps.database, reach.tenant, id)
  }

  /** What it refused, newest first; undefined: there is no such source. */
  async refusals(
    reach: Reach,
    id: number,
    page: { readonly before: Uuid; readonly limit: number },
  ): Promise<readonly RefusalView[] | undefined> {
    const { database } = this.#deps
    if ((await readSource(database, reach.tenant, id)) === undefined) return undefined
    return (await listRefusals(database, 'sources', id, page.before, page.limit)).map(refusalView)
  }

  /** @returns undefined when there is none. @throws AppError validation_failed */
  patch({ actor, reach }: Caller, id: number, patch: SourcePatch): Promise<WholeSourceRow | undefined> {
    const named = patch.preset === undefined ? undefined : knownPreset(patch.preset)
    // What is wrong in itself is said first, whether there is such a source or not.
    mergedSettings(usualSettings, patch, named ?? knownPreset('hmac'))
    return this.#change(reach, id, async (tx, before) => {
      const preset = named ?? knownPreset(before.preset)
      const settings = mergedSettings(before.settings, patch, preset)
      const kept = live(before.secrets, this.#deps.clock.now())
      const secrets = patch.secrets?.map((secret, at) => this.#secretAt(before.id, kept, secret, at)) ?? kept
      // What is kept has to fit what is new, too.
      checkSecretsOf(
        secrets.map(({ sealed }) => this.#opened(before.id, sealed)),
        preset,
        settings,
      )
      const after = await updateSource(tx, {
        ...before,
        ...{ name: patch.name ?? before.name, preset: preset.id, secrets },
        settings: { ...settings, base_url: before.settings.base_url },
        enabled: patch.enabled ?? before.enabled,
      })
      await recordChange(tx, actor, {
        ...{ action: 'source.updated', subjectId: id, tenant: before.tenant },
        changes: changesBetween(before, after),
      })
      return after
    })
  }

  /**
   * Puts a new secret in front. Those there are end after a while, unless they end before that.
   *
   * @returns undefined when there is no such source. @throws AppError validation_failed, too_many_secrets
   */
  rotateSecret(
    { actor, reach }: Caller,
    id: number,
    { secret, overlap_seconds: seconds = overlapSeconds.usual }: SourceSecretRotation,
  ): Promise<WholeSourceRow | undefined> {
    return this.#change(reach, id, async (tx, before) => {
      const preset = knownPreset(before.preset)
      const verification = verificationOf(preset, before.settings)
      checkSecrets([secret], preset, verification, () => '/secret')
      const now = this.#deps.clock.now()
      const made = this.#sealed(before.id, secret)
      const secrets = rotated(before.secrets, made, now + seconds * 1000, now)
      checkNumber(secrets.length, preset, verification)
      const after = await updateSource(tx, { ...before, secrets })
      await recordChange(tx, actor, {
        ...{ action: 'source.secret_rotated', subjectId: id, tenant: before.tenant },
        changes: changesBetween(before, after),
      })
      return after
    })
  }

  async #change(
    reach: Reach,
    id: number,
    work: (tx: Queryable, before: WholeSourceRow) => Promise<WholeSourceRow>,
  ): Promise<WholeSourceRow | undefined> {
    const { database, seal } = this.#deps
    const row = await database.transaction(async tx => {
      await checkSealingKey(tx, seal)
      const before = await lockSource(tx, reach.tenant, id)
      if (before === undefined) return undefined
      const after = await work(tx, before)
      await notifySource(tx, id)
      return after
    })
    // Read again: another process may have changed it since.
    if (row !== undefined) await this.known.refresh(id)
    return row
  }

  /** With what it refused. Its address leads nowhere from then on. @returns whether there was one */
  async remove({ actor, reach }: Caller, id: number): Promise<boolean> {
    const removed = await this.#deps.database.transaction(async tx => {
      const before = await lockSource(tx, reach.tenant, id)
      if (before === undefined) return false
      await deleteSource(tx, id)
      await recordChange(tx, actor, {
        ...{ action: 'source.deleted', subjectId: id, tenant: before.tenant },
        changes: changesBetween(before, undefined),
      })
      await notifySource(tx, id)
      return true
    })
    if (removed) await this.known.refresh(id)
    return removed
  }

  /** @param maySeeUrl false: the part of the address is masked that lets in */
  view(row: WholeSourceRow, maySeeUrl: boolean): SourceView {
    const { publicUrl, clock } = this.#deps
    const { base_url: base, ...settings } = row.settings
    const secrets = live(row.secrets, clock.now())
    const token = maySeeUrl ? this.#token(row) : secretMask
    return {
      ...{ id: row.id, tenant: row.tenant, name: row.name, preset: row.preset },
      url: (publicUrl ?? base) + sourcePath(token),
      enabled: row.enabled,
      secrets: secrets.map(() => secretMask),
      secrets_expire_at: secrets.map(({ expires_at: end }) => end),
      ...settings,
      channels: [...settings.channels],
      forward_headers: [...settings.forward_headers],
      received: {
        ...{ accepted: row.accepted, repeated: row.repeated, refused: row.refused },
        last_accepted_at: row.last_accepted_at?.toISOString() ?? null,
        last_refused_at: row.last_refused_at?.toISOString() ?? null,
        refused_in_a_row: row.refused_in_a_row,
        refusing_since: row.refusing_since?.toISOString() ?? null,
        last_reason: row.refused_in_a_row > 0 ? row.last_reason : null,
      },
      created_at: row.created_at.toISOString(),
      updated_at: row.updated_at.toISOString(),
    }
  }

  /** A key that is lacking keeps nobody from seeing the rest of it. */
  #token({ id, token }: SourceRow): string {
    try {
      return this.#deps.seal.open(token, sourceSealContext.token(id))
    } catch {
      return secretMask
    }
  }

  #sealed(id: number, secret: string): StoredSecret {
    return { sealed: this.#deps.seal.seal(secret, sourceSealContext.secret(id)), expires_at: null }
  }

  #opened(id: number, sealed: string): string {
    return this.#deps.seal.open(sealed, sourceSealContext.secret(id))
  }

  /** @throws AppError validation_failed for a mask where there is no secret */
  #secretAt(id: number, before: readonly StoredSecret[], given: string, index: number): StoredSecret {
    const kept = before[index]
    if (given !== secretMask) return this.#sealed(id, given)
    if (kept !== undefined) return kept
    const detail = `${secretMask} keeps the secret at its place, and there is none. Give a real one.`
    throw validationFailed([{ pointer: jsonPointer('secrets', String(index)), detail }])
  }
}

/** @throws AppError validation_failed */
function checkSecretsOf(secrets: readonly string[], preset: Preset, settings: SourceSettings): void {
  const verification = verificationOf(preset, settings)
  checkNumber(secrets.length, preset, verification)
  checkSecrets(secrets, preset, verification)
}

async function checkRoom(tx: Queryable, tenant: string): Promise<void> {
  const { own, all } = await countSources(tx, tenant)
  if (own < sourceLimits.ofTenant && all < sourceLimits.inAll) return
  throw new AppError(
    'sources_full',
    own < sourceLimits.ofTenant
      ? `There are ${sourceLimits.inAll} sources on this service, which is the most.`
      : `A tenant can have ${sourceLimits.ofTenant} sources. Delete one with DELETE /sources/{id}.`,
  )
}

function changesBetween(before: SourceRow | undefined, after: SourceRow | undefined) {
  const shown = (row: SourceRow | undefined): Fields => {
    if (row === undefined) return undefined
    const { base_url: _, ...settings } = row.settings
    return { name: row.name, preset: row.preset, enabled: row.enabled, ...settings }
  }
  const sealed = (row: SourceRow | undefined): Fields =>
    row && { secrets: row.secrets.length === 0 ? null : row.secrets }
  return [...differences(shown(before), shown(after)), ...secretDifferences(sealed(before), sealed(after))]
}
