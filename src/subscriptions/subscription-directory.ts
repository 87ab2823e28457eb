import { EventFields } from '../filters/event-fields.ts'
import { compileFilter, type Filter } from '../filters/filter.ts'
import type { EventToMatch } from './matching.ts'
import { packsInbound, unpackWanted, type WantedRow, wantedText } from './store.ts'
import { SubscriptionIndex } from './subscription-index.ts'

/** Compiled filters that are kept: the 5,000 to 10,000 that were used last. */
const compiledMax = 5000

/** Finds subscriptions by what they want and by their uid. It follows the packed texts of the cache. */
export class SubscriptionDirectory {
  readonly #index = new SubscriptionIndex()
  /** Tenant and uid → id. */
  readonly #uids = new Map<string, number>()
  /** Those that have a filter. */
  readonly #filtered = new Set<number>()
  /** Those that have `inbound`. */
  readonly #inbound = new Set<number>()
  /** Two generations: when the younger is full the older is forgotten. Undefined: it cannot be compiled. */
  #compiled = new Map<number, Filter | undefined>()
  #compiledBefore = new Map<number, Filter | undefined>()

  /**
   * The ids of those that match an event, ascending.
   *
   * @param textOf the packed text of a subscription
   */
  matching(event: EventToMatch, textOf: (id: number) => string | undefined): readonly number[] {
    return this.#filteredOf(
      this.#index.matching(event.tenant, event.eventType, event.channels),
      event,
      textOf,
    )
  }

  /** Those of them that list the type of the event as such, not by a pattern. */
  naming(event: EventToMatch, textOf: (id: number) => string | undefined): readonly number[] {
    if (event.eventType === null) return []
    return this.#filteredOf(this.#index.naming(event.tenant, event.eventType, event.channels), event, textOf)
  }

  #filteredOf(
    ids: readonly number[],
    event: EventToMatch,
    textOf: (id: number) => string | undefined,
  ): readonly number[] {
    if (this.#filtered.size === 0) return ids
    let fields: EventFields | undefined
    return ids.filter(id => {
      if (!this.#filtered.has(id)) return true
      fields ??= new EventFields(event)
      return this.#filterOf(id, textOf)?.matches(fields) ?? false
    })
  }

  withUid(tenant: string, uid: string): number | undefined {
    return this.#uids.get(keyOf(tenant, uid))
  }

  /** Whether any has `inbound`. */
  get hasInbound(): boolean {
    return this.#inbound.size > 0
  }

  /** Takes a change of a packed text; undefined: there is none. */
  change(id: number, now: string | undefined, before: string | undefined): void {
    if (now !== undefined && packsInbound(now)) this.#inbound.add(id)
    else this.#inbound.delete(id)
    const [textNow, textBefore] = [now && wantedText(now), before && wantedText(before)]
    if (textNow === textBefore) return
    if (textBefore) this.#forgetUid(id, unpackWanted(textBefore))
    this.#compiled.delete(id)
    this.#compiledBefore.delete(id)
    const row = textNow ? unpackWanted(textNow) : undefined
    if (row === undefined || row.state === 'disabled') this.#index.remove(id)
    else this.#index.set(id, { tenant: row.tenant, eventTypes: row.event_types, channels: row.channels })
    if (row === undefined || row.filter === null) this.#filtered.delete(id)
    else this.#filtered.add(id)
    if (row !== undefined && row.uid !== null) this.#uids.set(keyOf(row.tenant, row.uid), id)
  }

  #filterOf(id: number, textOf: (id: number) => string | undefined): Filter | undefined {
    if (this.#compiled.has(id)) return this.#compiled.get(id)
    const filter = this.#compiledBefore.has(id) ? this.#compiledBefore.get(id) : compiledFrom(textOf(id))
    if (this.#compiled.size >= compiledMax) {
      this.#compiledBefore = this.#compiled
      this.#compiled = new Map()
    }
    this.#compiled.set(id, filter)
    return filter
  }

  /** Unless another one has it by now: of two changes the younger may come first. */
  #forgetUid(id: number, { tenant, uid }: WantedRow): void {
    if (uid !== null && this.withUid(tenant, uid) === id) this.#uids.delete(keyOf(tenant, uid))
  }
}

/** Undefined for one that cannot be used, of which `openSubscription` complains. */
function compiledFrom(text: string | undefined): Filter | undefined {
  if (text === undefined) return undefined
  const compiled = compileFilter(unpackWanted(wantedText(text)).filter)
  return compiled.kind === 'filter' ? compiled.filter : undefined
}

/** A tenant has no space. */
function keyOf(tenant: string, uid: string): string {
  return `${tenant} ${uid}`
}
