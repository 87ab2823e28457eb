import { randomBytes } from 'node:crypto'
import { recordChange } from '../audit/audit.ts'
import { differences, type Fields, secretDifferences } from '../audit/changes.ts'
import { AppError, validationFailed } from '../errors.ts'
import { type Caller, defaultTenant, type Reach } from '../model/caller.ts'
import { shownBody } from '../model/shown-body.ts'
import { lockForTransaction } from '../platform/advisory-lock.ts'
import type { Clock } from '../platform/clock.ts'
import { earlierNow } from '../platform/database-time.ts'
import { type Uuid, uuidTime } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import { checkSealingKey, type Sealer } from '../platform/seal.ts'
import { secretMask } from '../subscriptions/signing-secret.ts'
import { checkTenant } from '../tenants/tenants.ts'
import { answerFaults } from './answer.ts'
import { removeExpiredReceivers } from './expired.ts'
import { OwnAddresses } from './own-addresses.ts'
import {
  type ReceivedRequestAnswer,
  type ReceiverAnswer,
  receiverLimits,
  type SignatureWord,
  type TestReceiverAnswer,
  type TestReceiverCreate,
  type TestReceiverPatch,
  usualAnswer,
} from './schema.ts'
import {
  countReceivers,
  deleteExpiredReceivers,
  deleteReceiver,
  insertReceiver,
  listReceivers,
  listRequests,
  lockReceiver,
  notifyReceivers,
  type ReceiverRow,
  type RequestRow,
  readReceiver,
  takeReceiverId,
  updateReceiver,
} from './store.ts'

export interface TestReceiversDeps {
  readonly database: Database
  readonly seal: Sealer
  readonly clock: Clock
  /** Where clients reach this service, without the last slash; undefined: where the request was sent to. */
  readonly publicUrl: string | undefined
  /** Below which path that is, where `publicUrl` does not say it: empty, or such as `/hooks`. */
  readonly basePath?: string
}

/** A request that a test receiver got, for whoever shows it live. It is committed by then. */
export interface Received {
  readonly kind: 'received'
  readonly id: Uuid
  readonly receiverId: number
  readonly tenant: string
  /** Unix milliseconds. */
  readonly at: number
  readonly method: string
  readonly webhookId: string | null
  readonly subscriptionId: number | null
  readonly signature: SignatureWord
  /** What was answered; null: the connection was closed without an answer. */
  readonly status: number | null
}

/** The place of the sealed secret of a receiver. */
export const receiverSealContext = (id: number) => `test_receiver:${id}:signing_secret`

/** The path of a receiver on this service. */
export const receiverPath = (token: string) => `/t/${token}`

/**
 * Receivers that belong to this service, to try deliveries with: each has an address of its own for a day, answers as it is
 * told, and keeps what it got. They are rows, so that all processes have the same.
 */
export class TestReceivers {
  readonly #deps: TestReceiversDeps
  /** Which addresses are those of receivers. */
  readonly addresses: OwnAddresses
  readonly #listeners = new Set<(received: Received) => void>()

  constructor(deps: TestReceiversDeps) {
    this.#deps = deps
    this.addresses = new OwnAddresses(deps)
  }

  /** The listener hears of each request that this process has kept; it must not throw. @returns a function that ends it */
  onReceived(listener: (received: Received) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  received(received: Received): void {
    for (const listener of this.#listeners) listener(received)
  }

  /**
   * Makes a receiver of the tenant that the caller is for, else of the default one.
   *
   * @param askedAt where the request was sent to, such as `http://localhost:8000`
   * @throws AppError validation_failed, test_receivers_full
   */
  async create(
    { actor, reach }: Caller,
    body: TestReceiverCreate,
    askedAt: string,
  ): Promise<TestReceiverAnswer> {
    const { database, seal, clock, basePath = '', publicUrl = askedAt + basePath } = this.#deps
    const tenant = reach.tenant ?? defaultTenant
    const answer = { ...usualAnswer, ...checked(body.answer ?? {}) }
    const secret = secretOf(body.signing_secret)
    const token = randomBytes(32).toString('base64url')
    const seconds = body.expires_in_seconds ?? receiverLimits.secondsUnlessGiven
    const row = await database.transaction(async tx => {
      await checkSealingKey(tx, seal)
      await checkTenant(tx, tenant)
      await lockForTransaction(tx, 'testReceivers')
      await this.#checkRoom(tx, tenant)
      const id = await takeReceiverId(tx)
      const made = await insertReceiver(tx, {
        ...{ id, tenant, name: body.name ?? null, token, answer },
        url: new URL(`${publicUrl}${receiverPath(token)}`).href,
        failures_left: answer.fail_times ?? 0,
        signing_secret: secret === null ? null : seal.seal(secret, receiverSealContext(id)),
        expires_at: new Date(clock.now() + seconds * 1000),
      })
      await recordChange(tx, actor, {
        ...{ action: 'test_receiver.created', subjectId: id, tenant },
        changes: changesBetween(undefined, made),
      })
      await notifyReceivers(tx, id)
      return made
    })
    this.addresses.add(row)
    return answerOf(row)
  }

  async #checkRoom(tx: Queryable, tenant: string): Promise<void> {
    await deleteExpiredReceivers(tx, this.#now, receiverLimits.inAll)
    const { own, all } = await countReceivers(tx, tenant)
    if (own < receiverLimits.ofTenant && all < receiverLimits.inAll) return
    throw new AppError(
      'test_receivers_full',
      own < receiverLimits.ofTenant
        ? `There are ${receiverLimits.inAll} test receivers on this service, which is the most. Some end within a day.`
        : `A tenant can have ${receiverLimits.ofTenant} test receivers. Delete one with DELETE /test-receivers/{id}.`,
    )
  }

  async list(
    reach: Reach,
    page: { readonly before: number; readonly limit: number },
  ): Promise<readonly TestReceiverAnswer[]> {
    const rows = await listReceivers(this.#deps.database, reach.tenant, { ...page, now: this.#now })
    return rows.map(answerOf)
  }

  async read(reach: Reach, id: number): Promise<TestReceiverAnswer | undefined> {
    const row = await readReceiver(this.#deps.database, reach.tenant, id, this.#now)
    return row && answerOf(row)
  }

  /** What it got, newest first; undefined: there is no such receiver. */
  async requests(
    reach: Reach,
    id: number,
    page: { readonly before: Uuid; readonly limit: number },
  ): Promise<readonly ReceivedRequestAnswer[] | undefined> {
    const { database } = this.#deps
    if ((await readReceiver(database, reach.tenant, id, this.#now)) === undefined) return undefined
    return (await listRequests(database, id, page.before, page.limit)).map(requestAnswer)
  }

  /** @returns undefined when there is none. @throws AppError validation_failed */
  async patch(
    { actor, reach }: Caller,
    id: number,
    patch: TestReceiverPatch,
  ): Promise<TestReceiverAnswer | undefined> {
    const { database, seal } = this.#deps
    const wished = checked(patch.answer ?? {})
    const row = await database.transaction(async tx => {
      await checkSealingKey(tx, seal)
      const before = await lockReceiver(tx, reach.tenant, id, this.#now)
      if (before === undefined) return undefined
      const answer = { ...before.answer, ...wished }
      const secret = patch.signing_secret === secretMask ? undefined : secretOf(patch.signing_secret)
      const sealed = secret === null ? null : secret && seal.seal(secret, receiverSealContext(id))
      const after = await updateReceiver(tx, {
        ...before,
        answer,
        name: patch.name === undefined ? before.name : patch.name,
        failures_left: patch.answer === undefined ? before.failures_left : (answer.fail_times ?? 0),
        signing_secret:
          patch.signing_secret === undefined || sealed === undefined ? before.signing_secret : sealed,
      })
      await recordChange(tx, actor, {
        ...{ action: 'test_receiver.updated', subjectId: id, tenant: before.tenant },
        changes: changesBetween(before, after),
      })
      await notifyReceivers(tx, id)
      return after
    })
    if (row) this.addresses.add(row)
    return row && answerOf(row)
  }

  /** With all that it got. Its address leads nowhere from then on. @returns whether there was one */
  async remove({ actor, reach }: Caller, id: number): Promise<boolean> {
    const removed = await this.#deps.database.transaction(async tx => {
      const before = await lockReceiver(tx, reach.tenant, id, this.#now)
      if (before === undefined) return false
      await deleteReceiver(tx, id)
      await recordChange(tx, actor, {
        ...{ action: 'test_receiver.deleted', subjectId: id, tenant: before.tenant },
        changes: changesBetween(before, undefined),
      })
      await notifyReceivers(tx, id)
      return true
    })
    if (removed) this.addresses.drop(id)
    return removed
  }

  /** Removes those that have expired. To be called from time to time. */
  async removeExpired(signal: AbortSignal): Promise<void> {
    const { database, clock } = this.#deps
    await removeExpiredReceivers(database, await earlierNow(database, clock), signal)
  }

  get #now(): Date {
    return new Date(this.#deps.clock.now())
  }
}

/** @throws AppError validation_failed */
function checked(answer: Partial<ReceiverAnswer>): Partial<ReceiverAnswer> {
  const errors = answerFaults(answer)
  if (errors.length > 0) throw validationFailed(errors)
  return answer
}

/** @throws AppError validation_failed for the mask, which stands for no secret */
function secretOf(given: string | null | undefined): string | null {
  if (given === undefined || given === null) return null
  if (given !== secretMask) return given
  const detail = `${secretMask} stands for a secret that is not shown. Give a real one, or leave it out.`
  throw validationFailed([{ pointer: '/signing_secret', detail }])
}

function changesBetween(before: ReceiverRow | undefined, after: ReceiverRow | undefined) {
  const shown = (row: ReceiverRow | undefined): Fields =>
    row && { name: row.name, answer: row.answer, expires_at: row.expires_at.toISOString() }
  const sealed = (row: ReceiverRow | undefined): Fields => row && { signing_secret: row.signing_secret }
  return [...differences(shown(before), shown(after)), ...secretDifferences(sealed(before), sealed(after))]
}

function answerOf(row: ReceiverRow): TestReceiverAnswer {
  return {
    id: row.id,
    tenant: row.tenant,
    name: row.name,
    url: row.url,
    answer: row.answer,
    failures_left: row.failures_left,
    signing_secret: row.signing_secret === null ? null : secretMask,
    received: row.received,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  }
}

function requestAnswer(row: RequestRow): ReceivedRequestAnswer {
  const isCut = row.body.length < row.body_bytes
  return {
    id: row.id,
    at: new Date(uuidTime(row.id)).toISOString(),
    method: row.method,
    query: row.query,
    headers: row.headers,
    ...shownBody(row.body, isCut),
    body_bytes: row.body_bytes,
    body_truncated: isCut,
    webhook_id: row.webhook_id,
    subscription_id: row.subscription_id,
    signature: row.signature,
    signature_detail: row.signature_detail,
    status: row.status,
  }
}
