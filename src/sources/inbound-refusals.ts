import type { IncomingMessage } from 'node:http'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidLowerBound, uuidV7Source } from '../platform/id.ts'
import type { Database } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import {
  deleteOldInboundRefusals,
  type InboundRefusalRow,
  keepInboundRefusals,
  listInboundRefusals,
} from './inbound-refusals-store.ts'
import { addInboundTallies, type InboundTally } from './inbound-tallies-store.ts'
import { presetOf } from './presets.ts'
import { tell } from './records.ts'
import { refusalView } from './refusal-view.ts'
import { type RefusalView, sourceLimits } from './schema.ts'
import { bodyBytesOf, shownBody, shownHeaders, shownQuery } from './shown-request.ts'

export interface InboundRefusalsDeps {
  readonly database: Database
  readonly clock: Clock
}

/** Refused requests that wait to be written, in all and of one subscription. What comes beyond is refused and not kept. */
const waitingMax = { requests: 500, bytes: 4 * 1_048_576, ofOne: sourceLimits.refusals } as const

/**
 * What came to subscriptions with `inbound` and was refused, as sources keep it (`SourceRecords`): gathered in memory and
 * written once in a while, so that who sends wrong requests makes one transaction per second, of bounded size.
 */
export class InboundRefusals {
  readonly #deps: InboundRefusalsDeps
  readonly #newId: () => Uuid
  #tallies = new Map<number, InboundTally>()
  #waiting: InboundRefusalRow[] = []
  #bytes = 0
  #writing: Promise<void> = Promise.resolve()

  constructor(deps: InboundRefusalsDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
  }

  refused({ id, inbound }: Subscription, request: IncomingMessage, reason: string, body: Buffer): void {
    this.#count({ id, inbound }, reason)
    const verification = presetOf(inbound?.preset ?? '')?.verification ?? { kind: 'none' }
    const { method = '', url = '', headers, headersDistinct } = request
    const at = url.indexOf('?')
    const row: InboundRefusalRow = {
      ...{ id: this.#newId(), subscription: id, reason, method: method.slice(0, 16) },
      query: shownQuery({ verification }, at < 0 ? '' : url.slice(at)),
      headers: shownHeaders({ verification }, headersDistinct),
      body: shownBody({ verification }, body, headers), // a copy: the rest is let go
      body_bytes: bodyBytesOf(body, headers),
    }
    const bytes = row.body.length + JSON.stringify(row.headers).length
    const isFull = this.#waiting.length >= waitingMax.requests || this.#bytes + bytes > waitingMax.bytes
    const ofOne = this.#waiting.filter(({ subscription }) => subscription === id).length
    if (isFull || ofOne >= waitingMax.ofOne) return
    this.#waiting.push(row)
    this.#bytes += bytes
  }

  /** Ends those that were refused in a row: the signature of the provider was right. */
  verified(id: number): void {
    const before = this.#tallies.get(id)
    if (before?.isVerified && before.inARow === 0) return
    this.#tallies.set(id, { id, isVerified: true, inARow: 0, since: null, reason: null, preset: null })
  }

  #count({ id, inbound }: Pick<Subscription, 'id' | 'inbound'>, reason: string): void {
    const { isVerified, inARow, since } = this.#tallies.get(id) ?? none
    this.#tallies.set(id, {
      ...{ id, isVerified, inARow: inARow + 1, since: since ?? this.#deps.clock.now() },
      ...{ reason, preset: inbound?.preset ?? null },
    })
  }

  /** Writes what was gathered. Where that fails, it is gathered further. */
  flush(): Promise<void> {
    const writing = this.#writing.then(() => this.#flush())
    this.#writing = writing.catch(() => {})
    return writing
  }

  async #flush(): Promise<void> {
    if (this.#tallies.size === 0) return
    const [tallies, rows, bytes] = [this.#tallies, this.#waiting, this.#bytes]
    this.#tallies = new Map()
    this.#waiting = []
    this.#bytes = 0
    const limits = { requestsMax: sourceLimits.refusals, bytesMax: sourceLimits.keptBytes }
    try {
      await this.#deps.database.transaction(async tx => {
        // First what locks subscriptions, as a removal of one does.
        if (rows.length > 0) await keepInboundRefusals(tx, rows, limits)
        await addInboundTallies(tx, [...tallies.values()], tell)
      })
    } catch (error) {
      for (const [id, tally] of tallies) {
        const since = this.#tallies.get(id)
        this.#tallies.set(id, since === undefined ? tally : added(tally, since))
      }
      this.#waiting = [...rows, ...this.#waiting].slice(0, waitingMax.requests)
      this.#bytes += bytes
      throw error
    }
  }

  /** Newest first. */
  async list(
    subscription: number,
    { before, limit }: { readonly before: Uuid; readonly limit: number },
  ): Promise<readonly RefusalView[]> {
    return (await listInboundRefusals(this.#deps.database, subscription, before, limit)).map(refusalView)
  }

  /** Removes what is older than the log is kept. To be called from time to time. */
  async removeOld(retentionMs: number, signal: AbortSignal): Promise<void> {
    const before = uuidLowerBound(this.#deps.clock.now() - retentionMs)
    const most = 500
    while (!signal.aborted && (await deleteOldInboundRefusals(this.#deps.database, before, most)) === most);
  }
}

const none: Pick<InboundTally, 'isVerified' | 'inARow' | 'since'> = {
  ...{ isVerified: false, inARow: 0, since: null },
}

/** What came before, and what came since. */
function added(before: InboundTally, since: InboundTally): InboundTally {
  if (since.isVerified) return since
  return {
    ...since,
    ...{ isVerified: before.isVerified, inARow: before.inARow + since.inARow },
    since: before.since ?? since.since,
  }
}
