import type { AppError, ErrorCode } from '../errors.ts'
import { asAppError, problemBody } from '../http/problem.ts'
import type { Answered } from '../ingest/once.ts'
import type { Clock } from '../platform/clock.ts'
import type { Uuid } from '../platform/id.ts'
import { type BatchEvent, readBatchEvent } from './batch-events.ts'
import type { RawItem } from './batch-items.ts'
import type { Said } from './publish-once.ts'
import type { PublishRequest } from './publisher.ts'

/** What became of one item of a batch, as the answer has it. */
export type BatchResult =
  | {
      readonly status: 202
      readonly webhook_id: Uuid
      readonly deliveries: number
      readonly idempotent_replayed?: true
    }
  | { readonly status: number; readonly error: Readonly<Record<string, unknown>> }

export interface BatchDeps {
  readonly clock: Clock
  readonly payloadBytesMax: number
  /** The tenant of an item. @throws AppError forbidden for one that the sender may not publish for */
  readonly tenantFor: (named: string | undefined) => string
  readonly publish: (request: PublishRequest, said: Said) => Promise<Answered>
  /** Told of each error that is a fault of this service. */
  readonly failed: (error: unknown) => void
  /** Told of each item that is refused, by the code of its problem. */
  readonly refused: (code: ErrorCode) => void
  /** Of the request, for problems. */
  readonly requestId: string
  /** The Idempotency-Key of the whole batch; null: none. */
  readonly batchKey: string | null
}

/**
 * At most this many items of a batch are under way: as many as one transaction takes. The rest of its memory is the batch
 * itself.
 */
const atOnceMax = 256

interface Entrance {
  /** The item that goes in next: one that is taken later is not to pass those that have just been let go. */
  turn: number
  /** Until an item is in that those behind it have to wait for; undefined: nobody waits. */
  held: Promise<void> | undefined
}

/** What the items of a batch have together, and the place of one of them. */
interface OfBatch {
  readonly index: number
  readonly keys: Map<string, Promise<unknown>>
  readonly entrance: Entrance
}

/**
 * Publishes the items of a batch, each by itself.
 *
 * @returns a result for each, in their order
 */
export async function publishBatch(
  deps: BatchDeps,
  items: readonly RawItem[],
): Promise<readonly BatchResult[]> {
  const results: BatchResult[] = []
  const keys = new Map<string, Promise<unknown>>()
  const entrance: Entrance = { turn: 0, held: undefined }
  let next = 0
  const work = async () => {
    while (next < items.length) {
      const index = next++
      while (entrance.held !== undefined || entrance.turn !== index) await entrance.held
      entrance.turn++
      results[index] = await resultOf(deps, items[index] as RawItem, { index, keys, entrance }) // index < items.length
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, work))
  return results
}

async function resultOf(
  deps: BatchDeps,
  raw: RawItem,
  { index, keys, entrance }: OfBatch,
): Promise<BatchResult> {
  try {
    const event = readBatchEvent(raw, deps.payloadBytesMax, deps.clock.now())
    const request = { ...event.request, tenant: deps.tenantFor(event.request.tenant) }
    const said = saidOf(deps, event, index)
    const publishing = inTurn(keys, request, () => entering(entrance, request, said, deps.publish))
    const { webhookId, deliveries, isReplayed } = await publishing
    return {
      status: 202,
      webhook_id: webhookId,
      deliveries,
      ...(isReplayed && { idempotent_replayed: true }),
    }
  } catch (error) {
    const known = asAppError(error)
    if (known.code === 'internal') deps.failed(error)
    deps.refused(known.code)
    return errorResult(known, deps.requestId)
  }
}

/**
 * Publishes an item, and holds those behind it until it is handed to ingest: where a schema has to be read first, they would
 * come before it. Nearly always that is at once, and nobody waits.
 */
function entering(
  entrance: Entrance,
  request: PublishRequest,
  said: Said,
  publish: BatchDeps['publish'],
): Promise<Answered> {
  let isIn = false
  let letGo: (() => void) | undefined
  const onEntering = () => {
    isIn = true
    letGo?.()
  }
  const publishing = publish({ ...request, onEntering }, said)
  if (isIn) return publishing
  entrance.held = new Promise(resolve => {
    letGo = () => {
      entrance.held = undefined
      resolve()
    }
  })
  return publishing.finally(() => {
    if (!isIn) onEntering() // one that is refused never enters
  })
}

function saidOf({ batchKey }: BatchDeps, { deliverAtText }: BatchEvent, index: number): Said {
  return { deliverAtText, place: batchKey === null ? undefined : { batchKey, index } }
}

/** Items with the same key come one after the other, so that the later one hears what came of the earlier one. */
function inTurn(
  keys: Map<string, Promise<unknown>>,
  { tenant, idempotencyKey }: PublishRequest,
  publish: () => Promise<Answered>,
): Promise<Answered> {
  if (idempotencyKey === null) return publish()
  const name = `${tenant} ${idempotencyKey}`
  const before = keys.get(name)
  const publishing = before === undefined ? publish() : before.then(publish)
  keys.set(
    name,
    publishing.catch(() => {}),
  )
  return publishing
}

function errorResult(error: AppError, requestId: string): BatchResult {
  const { retryAfterSeconds } = error
  const problem = problemBody(error, requestId)
  return {
    status: Number(problem.status),
    error: { ...problem, ...(retryAfterSeconds !== undefined && { retry_after_seconds: retryAfterSeconds }) },
  }
}
