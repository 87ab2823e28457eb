import { recordChange } from '../audit/audit.ts'
import { differences } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import {
  parseSubscriptionId,
  uidIn,
  uidPattern,
  unknownSubscription,
  unknownUid,
} from '../http/parameters.ts'
import { type Actor, type Caller, defaultTenant, type Reach } from '../model/caller.ts'
import type { PathFacts } from '../model/path-facts.ts'
import type { Clock } from '../platform/clock.ts'
import type { Logger } from '../platform/logger.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkSealingKey, type Sealer } from '../platform/seal.ts'
import { checkTenant } from '../tenants/tenants.ts'
import { subscriptionChanges } from './changes.ts'
import { readInFlight } from './in-flight-store.ts'
import type { InboundCheck } from './inbound-fields.ts'
import { KnownSubscriptions } from './known-subscriptions.ts'
import type { EventToMatch } from './matching.ts'
import { checkUnsaved, checkVerified, demandNew, mayBeTried, type Ownership } from './ownership.ts'
import { checkReadOnly, checkVersion } from './read-only.ts'
import { type RevealedSecrets, revealSecrets } from './reveal-secret.ts'
import { type RotatedSecret, rotateSecret, type SecretRotation } from './rotate-secret.ts'
import {
  answer,
  type PlaceFaults,
  parsePatched,
  parseRules,
  type Rules,
  type SubscriptionDefaults,
} from './rules.ts'
import type {
  SubscriptionAnswer,
  SubscriptionCreate,
  SubscriptionPatch,
  SubscriptionReplace,
  WaitingFate,
} from './schema.ts'
import { type SubscriptionFilter, type SubscriptionPage, searchSubscriptions } from './search.ts'
import {
  checkSigningSecret,
  firstSigningSecret,
  openSubscription,
  sealRules,
  sealSigningSecret,
} from './secrets.ts'
import { maskedSecret, secretMask } from './signing-secret.ts'
import { resumeSubscription } from './state-store.ts'
import {
  deleteSubscription,
  insertSubscription,
  lockSubscription,
  notifyChange,
  readExisting,
  readIdOfUid,
  readSubscription,
  readSubscriptionsTo,
  type SubscriptionRow,
  type SubscriptionValues,
  takeId,
  updateSubscription,
} from './store.ts'
import type { Subscription } from './subscription.ts'
import type { ChangeListener } from './subscription-cache.ts'
import type { SubscriptionLanes } from './subscription-lanes.ts'
import { type TargetCheck, targetFault } from './target-url.ts'
import { uidFault } from './uid-fault.ts'

/** The notice that a subscription was made, changed or deleted: its id. */
export const subscriptionNotice = { channel: 'subscriptions', parse: Number } as const

export interface SubscriptionsDeps {
  readonly database: Database
  readonly seal: Sealer
  readonly defaults: SubscriptionDefaults
  /** Asked about every address that is given. */
  readonly checkTarget: TargetCheck
  /** Asked about every `inbound`; nothing is wrong with one unless given. */
  readonly checkInbound?: InboundCheck
  readonly lanes: SubscriptionLanes
  /** Whether receivers have to be verified, and which are known without. */
  readonly ownership: Ownership
  /** Whether signing secrets may be shown again. */
  readonly mayReveal: boolean
  readonly clock: Clock
  readonly log: Logger
  /** Is told of receivers that people have sent to again. */
  readonly facts?: Pick<PathFacts, 'moved'> | undefined
}

const isUid = new RegExp(uidPattern)

/** Rows of those that lead to one address. */
const leadingMax = 20

/**
 * All subscriptions: their management, and a copy of all of them in memory for the path of an event (`KnownSubscriptions`),
 * which follows the notices of others (`subscriptionNotice`). A change made here is in it before its caller hears of it.
 */
export class Subscriptions {
  readonly #database: Database
  readonly #seal: Sealer
  readonly #defaults: SubscriptionDefaults
  readonly #checkTarget: TargetCheck
  readonly #lanes: SubscriptionLanes
  readonly #ownership: Ownership
  #onUnverified: (caller: Caller, id: number) => void = () => {}
  readonly #mayReveal: boolean
  readonly #checkInbound: InboundCheck | undefined
  readonly #clock: Clock
  readonly #facts: Pick<PathFacts, 'moved'> | undefined
  readonly #known: KnownSubscriptions

  constructor(deps: SubscriptionsDeps) {
    this.#database = deps.database
    this.#seal = deps.seal
    this.#defaults = deps.defaults
    this.#checkTarget = deps.checkTarget
    this.#lanes = deps.lanes
    this.#ownership = deps.ownership
    this.#mayReveal = deps.mayReveal
    this.#checkInbound = deps.checkInbound
    this.#clock = deps.clock
    this.#facts = deps.facts
    this.#known = new KnownSubscriptions(deps)
  }

  get(id: number): Subscription | undefined {
    return this.#known.get(id)
  }

  /** As `KnownSubscriptions.matching`. */
  matching(event: EventToMatch): readonly number[] {
    return this.#known.matching(event)
  }

  /** As `KnownSubscriptions.naming`. */
  naming(event: EventToMatch): readonly number[] {
    return this.#known.naming(event)
  }

  /** Whether any has `inbound`. */
  readonly hasInbound = (): boolean => this.#known.hasInbound()

  /** Reads the whole table, as `KnownSubscriptions.load`. */
  load(): Promise<void> {
    return this.#known.load()
  }

  /** Reads one row again, whether it was made, changed or deleted elsewhere. @returns whether there is one */
  refresh(id: number): Promise<boolean> {
    return this.#known.refresh(id)
  }

  /** The one that a tenant calls so. */
  withUid(tenant: string, uid: string): Subscription | undefined {
    const id = this.#known.idOfUid(tenant, uid)
    return id === undefined ? undefined : this.#known.get(id)
  }

  /** The id of the one that a tenant calls so; asks the table only when the copy knows none. */
  async idOfUid(tenant: string, uid: string): Promise<number | undefined> {
    if (!isUid.test(uid)) return undefined
    return this.#known.idOfUid(tenant, uid) ?? (await readIdOfUid(this.#database, tenant, uid))
  }

  /**
   * The id in a path, which may be given as `uid:` and the uid of one within reach; of the default tenant, where that is all.
   *
   * @throws AppError not_found, validation_failed
   */
  async idIn(reach: Reach, text: string, parameter?: string): Promise<number> {
    const uid = uidIn(text)
    if (uid === undefined) return parseSubscriptionId(text, parameter)
    const id = await this.idOfUid(reach.tenant ?? defaultTenant, uid)
    if (id === undefined) throw reach.tenant === null ? unknownUid(text) : unknownSubscription(text)
    return id
  }

  /** How many there are. */
  get size(): number {
    return this.#known.size
  }

  /** @returns a function that ends the listening */
  onChange(listener: ChangeListener): () => void {
    return this.#known.onChange(listener)
  }

  /**
   * Makes a subscription of the tenant that the caller is for, else of the default one, and its lane. Only this answer
   * shows its secrets in the clear.
   *
   * @throws AppError validation_failed, uid_taken
   */
  async create(caller: Caller, body: SubscriptionCreate): Promise<SubscriptionAnswer> {
    const { actor, reach } = caller
    const tenant = reach.tenant ?? defaultTenant
    if (body.secret === secretMask) throw validationFailed([maskedSecret])
    const rules = parseRules(body, this.#defaults, await this.#placeFaults(body), this.#checkInbound)
    const signingSecret = firstSigningSecret(body.signing_secret, rules)
    const id = await takeId(this.#database)
    const nothing = { secret: null, headers: {}, signing_key_pairs: [], auth: null, inbound: null }
    const secrets = [sealSigningSecret(this.#seal, id, signingSecret)]
    const before = { ...nothing, signing_secrets: secrets }
    const values = sealRules(this.#seal, id, rules, before, this.#clock.now())
    const row = await this.#database.transaction(async tx => {
      await checkSealingKey(tx, this.#seal)
      await checkTenant(tx, tenant)
      const made = await insertSubscription(tx, id, tenant, values).catch((error: unknown) => {
        throw uidFault(error, values.uid)
      })
      const after = await demandNew(tx, this.#ownership, undefined, made)
      await this.#lanes.create(tx, id, after.paused || after.state === 'disabled')
      await this.#record(tx, actor, 'created', undefined, after)
      await notifyChange(tx, id)
      return after
    })
    this.#known.take(row)
    if (row.verification !== null) this.#onUnverified(caller, id)
    return { ...answer(row, this.#defaults), secret: body.secret ?? null, signing_secret: signingSecret }
  }

  async read(reach: Reach, id: number): Promise<SubscriptionAnswer | undefined> {
    const row = await readSubscription(this.#database, reach, id)
    if (row === undefined) return undefined
    const now = row.max_in_flight === null ? await readInFlight(this.#database, id) : undefined
    const inFlightNow = now
      ? { limit: now.limit, reason: now.reason, updated_at: now.updatedAt.toISOString() }
      : null
    const discarding = await this.#lanes.discarding(this.#database, id)
    const waiting = discarding
      ? ({ fate: 'discard', count: discarding.waiting, ended: discarding.ended } as const)
      : null
    return { ...answer(row, this.#defaults), in_flight_now: inFlightNow, waiting }
  }

  /** Whether there is one; asks the table only when the copy knows none. */
  async exists(reach: Reach, id: number): Promise<boolean> {
    const known = this.#known.get(id)
    if (known !== undefined) return reach.has(known.tenant)
    return (await readSubscription(this.#database, reach, id)) !== undefined
  }

  /** Whether something may be sent to it by hand; undefined when there is none. @throws AppError not_verified */
  mayBeTried(reach: Reach, id: number): Promise<true | undefined> {
    return mayBeTried(this.#database, this.#ownership, reach, id)
  }

  /** Those of the ids that there are: also those whose row cannot be opened here, which `get` does not know. */
  async whichExist(ids: readonly number[]): Promise<ReadonlySet<number>> {
    return new Set(await readExisting(this.#database, ids))
  }

  /** Those that lead to the address of a test receiver, as they are in the table now; the 20 newest that can be opened. */
  async leadingTo(url: string): Promise<readonly Subscription[]> {
    const rows = await readSubscriptionsTo(this.#database, url, leadingMax)
    return rows.flatMap(row => this.#known.open(row) ?? [])
  }

  /**
   * A subscription that is not saved, as the path of an event would see it. Its id is 0.
   *
   * @throws AppError validation_failed, as `create`; not_verified where its receiver would have to be asked first
   */
  async draft({ reach }: Caller, body: SubscriptionCreate): Promise<Subscription> {
    if (body.secret === secretMask) throw validationFailed([maskedSecret])
    const rules = parseRules(body, this.#defaults, await this.#placeFaults(body), this.#checkInbound)
    const tenant = reach.tenant ?? defaultTenant
    await checkUnsaved(this.#database, this.#ownership, tenant, body.target_url)
    const secret = firstSigningSecret(body.signing_secret, rules)
    const nothing = { secret: null, headers: {}, signing_key_pairs: [], auth: null, inbound: null }
    const before = { ...nothing, signing_secrets: [sealSigningSecret(this.#seal, 0, secret)] }
    const values = sealRules(this.#seal, 0, rules, before, this.#clock.now())
    const state = { id: 0, state: 'active', version: 0, stateSince: 0, verification: null } as const
    const row = { ...values, ...state, tenant }
    return openSubscription(row, this.#seal, this.#defaults)
  }

  /** Newest first; `before` is the id to begin below. */
  async list(
    reach: Reach,
    page: { readonly limit: number; readonly before?: number | undefined },
    filter: SubscriptionFilter = {},
  ): Promise<SubscriptionPage<SubscriptionAnswer>> {
    const { rows, next } = await searchSubscriptions(this.#database, reach, page, filter)
    return { rows: rows.map(row => answer(row, this.#defaults)), next }
  }

  /**
   * Sets all rules; the uid is kept when it is left out, the inbound secret also when it is masked.
   *
   * @param version when given, only this version is changed
   * @throws AppError version_conflict, validation_failed, uid_taken
   */
  replace(
    caller: Caller,
    id: number,
    body: SubscriptionReplace,
    version?: number,
  ): Promise<SubscriptionAnswer | undefined> {
    return this.#change(caller, id, 'updated', version, body, (row, faults) =>
      parseRules({ uid: row.uid, ...body }, this.#defaults, faults, this.#checkInbound),
    )
  }

  /** Applies a JSON merge patch; otherwise as `replace`. */
  patch(
    caller: Caller,
    id: number,
    patch: SubscriptionPatch,
    version?: number,
  ): Promise<SubscriptionAnswer | undefined> {
    return this.#patch(caller, id, 'updated', version, patch)
  }

  /** Events are accepted and kept until it is resumed. @returns undefined when there is none */
  pause(caller: Caller, id: number): Promise<SubscriptionAnswer | undefined> {
    return this.#patch(caller, id, 'paused', undefined, { paused: true })
  }

  /**
   * Ends an operator's pause, a disabling or an open circuit. What it is owed is due at once, or is discarded: then that ends
   * as cancelled beside the path, and events that are accepted from now on are delivered.
   *
   * @returns undefined when there is none
   */
  async resume(
    { actor, reach }: Caller,
    id: number,
    fate: WaitingFate = 'deliver',
  ): Promise<SubscriptionAnswer | undefined> {
    if (!(await this.exists(reach, id))) return undefined
    const beganBefore = this.#clock.now()
    const waiting = await this.#lanes.countWaiting(this.#database, id, beganBefore)
    const resumed = await this.#database.transaction(async tx => {
      const before = await lockSubscription(tx, reach, id)
      if (before === undefined) return undefined
      await checkVerified(tx, this.#ownership, before)
      const changes = { waiting: fate, waiting_count: waiting }
      await this.#record(tx, actor, 'resumed', before, await resumeSubscription(tx, id), changes)
      if (fate === 'discard') await this.#lanes.openWithout(tx, id, { beganBefore, waiting })
      else await this.#lanes.open(tx, id)
      return before
    })
    if (resumed === undefined) return undefined
    await this.refresh(id)
    this.#tellEnd(resumed, 'active')
    const now = await this.read(reach, id)
    return now && { ...now, waiting: { fate, count: waiting, ended: 0 } }
  }

  async #placeFaults({
    target_url: target,
    auth,
  }: Pick<SubscriptionPatch, 'target_url' | 'auth'>): Promise<PlaceFaults> {
    return {
      target: await targetFault(this.#checkTarget, target),
      token: await targetFault(this.#checkTarget, auth?.token_url ?? undefined),
    }
  }

  #patch(
    caller: Caller,
    id: number,
    verb: string,
    version: number | undefined,
    patch: SubscriptionPatch,
  ): Promise<SubscriptionAnswer | undefined> {
    return this.#change(caller, id, verb, version, patch, (row, faults) =>
      parsePatched(row, patch, this.#defaults, faults, this.#checkInbound),
    )
  }

  async #change(
    caller: Caller,
    id: number,
    verb: string,
    version: number | undefined,
    given: SubscriptionPatch,
    rulesFor: (row: SubscriptionRow, faults: PlaceFaults) => Rules,
  ): Promise<SubscriptionAnswer | undefined> {
    const faults = await this.#placeFaults(given)
    const row = await this.#write(caller, id, verb, version, before => {
      checkReadOnly(given, answer(before, this.#defaults))
      const rules = rulesFor(before, faults)
      checkSigningSecret(this.#seal, before, rules, given.signing_secret)
      return sealRules(this.#seal, id, rules, before, this.#clock.now())
    })
    return row && answer(row, this.#defaults)
  }

  /**
   * Replaces the signing secret; the previous one still signs for the overlap. Only this answer shows the new one in the
   * clear.
   *
   * @throws AppError version_conflict, validation_failed, too_many_secrets
   */
  async rotateSecret(
    caller: Caller,
    id: number,
    wish: SecretRotation,
    version?: number,
  ): Promise<RotatedSecret | undefined> {
    let shown = { signing_secret: '', expires_at: '' }
    const row = await this.#write(caller, id, 'secret_rotated', version, before => {
      const { values, secret, endsAt } = rotateSecret(this.#seal, before, wish, this.#clock.now())
      shown = { signing_secret: secret, expires_at: new Date(endsAt).toISOString() }
      return values
    })
    if (row === undefined) return undefined
    const { signing_public_key } = answer(row, this.#defaults)
    return { id, ...shown, signing_public_key, version: row.version }
  }

  /**
   * The signing secrets in force, in the clear. Nothing is shown before it is recorded who asked.
   *
   * @returns undefined when there is none
   * @throws AppError forbidden where the settings do not allow it
   */
  async revealSecrets({ actor, reach }: Caller, id: number): Promise<RevealedSecrets | undefined> {
    if (!this.#mayReveal) {
      throw new AppError(
        'forbidden',
        'This service does not show secrets again (REVEAL_SECRETS=false). Make a new one with rotate-secret.',
      )
    }
    const row = await this.#database.transaction(async tx => {
      const found = await readSubscription(tx, reach, id)
      if (found !== undefined) await this.#record(tx, actor, 'secret_revealed', found, found)
      return found
    })
    return row && revealSecrets(this.#seal, row, this.#clock.now())
  }

  #write(
    caller: Caller,
    id: number,
    verb: string,
    version: number | undefined,
    valuesFor: (row: SubscriptionRow) => SubscriptionValues,
  ): Promise<SubscriptionRow | undefined> {
    const { actor, reach } = caller
    let isUnverified = false
    return this.#known.reading(async () => {
      const row = await this.#database.transaction(async tx => {
        await checkSealingKey(tx, this.#seal)
        const before = await lockSubscription(tx, reach, id)
        if (before === undefined) return undefined
        checkVersion(before.version, version)
        const values = valuesFor(before)
        const updated = await updateSubscription(tx, id, values).catch((error: unknown) => {
          throw uidFault(error, values.uid)
        })
        const after = await demandNew(tx, this.#ownership, before, updated)
        isUnverified = after !== updated
        if (isUnverified) await this.#lanes.hold(tx, id)
        await this.#setLane(tx, before, after)
        await this.#record(tx, actor, verb, before, after)
        await notifyChange(tx, id)
        return after
      })
      if (row !== undefined) this.#known.take(row)
      if (isUnverified) this.#onUnverified(caller, id)
      return row
    })
  }

  /**
   * Deletes a subscription. Its log stays. Its lane is opened, so that what it is owed is settled as cancelled at once.
   *
   * @returns whether there was one
   */
  async remove({ actor, reach }: Caller, id: number, version?: number): Promise<boolean> {
    const removed = await this.#database.transaction(async tx => {
      const row = await lockSubscription(tx, reach, id)
      if (row === undefined) return undefined
      checkVersion(row.version, version)
      await deleteSubscription(tx, id)
      await this.#lanes.open(tx, id)
      await this.#record(tx, actor, 'deleted', row, undefined)
      await notifyChange(tx, id)
      return row
    })
    if (removed === undefined) return false
    this.#known.drop(id)
    this.#tellEnd(removed, 'deleted')
    return true
  }

  /** A person has ended what was wrong with a receiver, in whatever way. */
  #tellEnd({ id, state: from, state_since: since }: SubscriptionRow, to: 'active' | 'deleted'): void {
    if (from === 'active') return
    this.#facts?.moved([{ id, from, to, reason: 'by a person', since: since.getTime() }])
  }

  /** The listener hears of each subscription whose receiver is to be asked, once that is committed. */
  onUnverified(listener: (caller: Caller, id: number) => void): void {
    this.#onUnverified = listener
  }

  /** One of the rows is there. */
  async #record(
    tx: Queryable,
    actor: Actor,
    verb: string,
    before: SubscriptionRow | undefined,
    after: SubscriptionRow | undefined,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    const one = before ?? after
    if (one === undefined) throw new Error('a change of no subscription')
    const changes = [...subscriptionChanges(before, after, this.#defaults), ...differences(undefined, more)]
    await recordChange(tx, actor, {
      action: `subscription.${verb}`,
      subjectId: one.id,
      tenant: one.tenant,
      changes,
    })
  }

  /** A lane is held while its subscription is paused or disabled. */
  async #setLane(tx: Queryable, before: SubscriptionRow, after: SubscriptionRow): Promise<void> {
    if (before.paused === after.paused || after.state === 'disabled') return
    if (after.paused) await this.#lanes.hold(tx, after.id)
    else await this.#lanes.unhold(tx, after.id)
  }
}
