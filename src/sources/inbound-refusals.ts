import type { IncomingMessage } from 'node:http'
import type { Clock } from '../platform/clock.ts'
import { type Uuid, uuidV7Source } from '../platform/id.ts'
import type { Database, Queryable } from '../platform/postgres.ts'
import type { Subscription } from '../subscriptions/subscription.ts'
import { Gathered } from './gathered.ts'
import { addInboundTallies, type InboundTally } from './inbound-tallies-store.ts'
import { presetOf } from './presets.ts'
import { tell } from './records.ts'
import { refusalView } from './refusal-view.ts'
import { listRefusals } from './refusals-store.ts'
import type { RefusalView } from './schema.ts'
import { bodyBytesOf, shownBody, shownHeaders, shownQuery } from './shown-request.ts'

export interface InboundRefusalsDeps {
  readonly database: Database
  readonly clock: Clock
}

/** What came to subscriptions with `inbound` and was refused: kept as that of sources is (`Gathered`). */
export class InboundRefusals {
  readonly #deps: InboundRefusalsDeps
  readonly #newId: () => Uuid
  readonly #gathered: Gathered<InboundTally>

  constructor(deps: InboundRefusalsDeps) {
    this.#deps = deps
    this.#newId = uuidV7Source(deps.clock)
    this.#gathered = new Gathered({ ...deps, by: 'subscriptions', write, added })
  }

  refused({ id, inbound }: Subscription, request: IncomingMessage, reason: string, body: Buffer): void {
    const { isVerified, inARow, since } = this.#gathered.tallyOf(id) ?? none
    this.#gathered.count({
      ...{ id, isVerified, inARow: inARow + 1, since: since ?? this.#deps.clock.now() },
      ...{ reason, preset: inbound?.preset ?? null },
    })
    const verification = presetOf(inbound?.preset ?? '')?.verification ?? { kind: 'none' }
    const { method = '', url = '', headers, headersDistinct } = request
    const at = url.indexOf('?')
    this.#gathered.keep({
      ...{ id: this.#newId(), of: id, reason, method: method.slice(0, 16) },
      query: shownQuery({ verification }, at < 0 ? '' : url.slice(at)),
      headers: shownHeaders({ verification }, headersDistinct),
      body: shownBody({ verification }, body, headers), // a copy: the rest is let go
      body_bytes: bodyBytesOf(body, headers),
    })
  }

  /** Ends those that were refused in a row: the signature of the provider was right. */
  verified(id: number): void {
    const before = this.#gathered.tallyOf(id)
    if (before?.isVerified && before.inARow === 0) return
    this.#gathered.count({ id, isVerified: true, inARow: 0, since: null, reason: null, preset: null })
  }

  /** Writes what was gathered. Where that fails, it is gathered further. */
  flush(): Promise<void> {
    return this.#gathered.flush()
  }

  /** Newest first. */
  async list(
    subscription: number,
    { before, limit }: { readonly before: Uuid; readonly limit: number },
  ): Promise<readonly RefusalView[]> {
    const rows = await listRefusals(this.#deps.database, 'subscriptions', subscription, before, limit)
    return rows.map(refusalView)
  }

  /** Removes what is older than the log is kept. To be called from time to time. */
  removeOld(retentionMs: number, signal: AbortSignal): Promise<void> {
    return this.#gathered.removeOld(retentionMs, signal)
  }
}

/** First what locks subscriptions, as a removal of one does. */
async function write(
  tx: Queryable,
  tallies: readonly InboundTally[],
  keep: () => Promise<void>,
): Promise<void> {
  await keep()
  await addInboundTallies(tx, tallies, tell)
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
