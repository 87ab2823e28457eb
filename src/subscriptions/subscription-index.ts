import { everyType, isPattern, segmentsOf } from './event-type-pattern.ts'
import { Rows } from './rows.ts'
import { TextNumbers } from './text-numbers.ts'

/** What the index knows of a subscription. */
export interface IndexedWants {
  readonly tenant: string
  /** Types and patterns; null: every event. */
  readonly eventTypes: readonly string[] | null
  /** It wants events of at least one of them; null: whatever their channels are. */
  readonly channels: readonly string[] | null
}

/** A step of a tree, under the one above it. */
const node = { above: 0, name: 1, entries: 2, nextInBucket: 3, uses: 4 } as const
/** A subscription at a node, in two lists: those at the same node, and those of the same subscription. */
const entry = { subscription: 0, node: 1, next: 2, before: 3, ofSame: 4 } as const

/** Above the tenants, above those of them that have patterns, and above the subscriptions themselves. */
const tenants = -1
const withPatterns = -2
const subscriptions = -3

/**
 * From tenant, event type and channels to the subscriptions that want such an event. What that costs depends on how many
 * match, and on how many segments the type has, not on how many there are.
 *
 * One tree for all: tenant, then an exact type as a whole, or the segments of a pattern, then a channel. Patterns have a tree of
 * their own, since most tenants have none. All its nodes and
 * lists are rows of whole numbers, since a million small objects would take several times as much memory, and the
 * collector's time.
 */
export class SubscriptionIndex {
  readonly #names = new TextNumbers()
  readonly #star = this.#names.take('*')
  readonly #nodes = new Rows(5)
  readonly #entries = new Rows(5)
  /** The first node of each hash of node above and name; as many as a power of two. */
  #buckets = new Int32Array(64)

  /** Sets what a subscription wants, in place of what it wanted before. */
  set(id: number, wants: IndexedWants): void {
    this.remove(id)
    const own = this.#makeChild(subscriptions, id)
    this.#nodes.add(own, node.uses, 1)
    for (const text of new Set(wants.eventTypes ?? [everyType])) {
      const place = this.#makePlace(wants.tenant, text)
      if (wants.channels === null) this.#enter(id, own, place)
      else
        for (const channel of new Set(wants.channels))
          this.#enter(id, own, this.#makeNamed(place, nameOfChannel(channel)))
      this.#releaseUnused(place)
    }
  }

  remove(id: number): void {
    const own = this.#child(subscriptions, id)
    if (own === 0) return
    let next = this.#nodes.get(own, node.entries)
    while (next !== 0) {
      const one = next
      next = this.#entries.get(one, entry.ofSame)
      this.#leave(one)
    }
    this.#nodes.set(own, node.entries, 0)
    this.#nodes.add(own, node.uses, -1)
    this.#releaseUnused(own)
  }

  /**
   * The ids of the subscriptions of a tenant that want an event, ascending, each once.
   *
   * @param eventType without spaces; null: it has none
   */
  matching(tenant: string, eventType: string | null, channels: readonly string[]): readonly number[] {
    const name = this.#names.of(tenant)
    if (name === 0) return []
    const found: number[] = []
    const given = this.#numbersOf(channels)
    const exact = this.#child(tenants, name)
    if (exact !== 0) {
      this.#collect(this.#child(exact, this.#star), given, found)
      if (eventType !== null && !isPattern(eventType))
        this.#collect(this.#named(exact, eventType), given, found)
    }
    const patterns = eventType === null ? 0 : this.#child(withPatterns, name)
    if (patterns !== 0 && eventType !== null) {
      const segments = segmentsOf(eventType).map(text => this.#names.of(text))
      this.#collectPatterns(patterns, segments, 0, given, found)
    }
    return ascending(found)
  }

  /**
   * The ids of the subscriptions of a tenant that list an event type as such, not by a pattern, ascending.
   *
   * @param channels of the event, as for `matching`
   */
  naming(tenant: string, eventType: string, channels: readonly string[]): readonly number[] {
    const name = this.#names.of(tenant)
    const exact = name === 0 ? 0 : this.#child(tenants, name)
    if (exact === 0 || isPattern(eventType)) return []
    const found: number[] = []
    this.#collect(this.#named(exact, eventType), this.#numbersOf(channels), found)
    return ascending(found)
  }

  #numbersOf(channels: readonly string[]): readonly number[] {
    return channels.map(channel => this.#names.of(nameOfChannel(channel))).filter(number => number !== 0)
  }

  /** Bytes of its tables, without the texts. */
  get tableBytes(): number {
    return this.#nodes.bytes + this.#entries.bytes + this.#buckets.byteLength + this.#names.tableBytes
  }

  #collectPatterns(
    above: number,
    segments: readonly number[],
    depth: number,
    channels: readonly number[],
    found: number[],
  ): void {
    const segment = segments[depth]
    if (segment === undefined) return
    const literal = segment === 0 || segment === this.#star ? 0 : this.#child(above, segment)
    if (literal !== 0) {
      if (depth === segments.length - 1) this.#collect(literal, channels, found)
      this.#collectPatterns(literal, segments, depth + 1, channels, found)
    }
    const star = this.#child(above, this.#star)
    if (star === 0) return
    // At the end of a pattern it stands for the rest.
    this.#collect(star, channels, found)
    this.#collectPatterns(star, segments, depth + 1, channels, found)
  }

  #collect(place: number, channels: readonly number[], found: number[]): void {
    if (place === 0) return
    this.#collectEntries(place, found)
    for (const channel of channels) {
      const there = this.#child(place, channel)
      if (there !== 0) this.#collectEntries(there, found)
    }
  }

  #collectEntries(place: number, found: number[]): void {
    let one = this.#nodes.get(place, node.entries)
    while (one !== 0) {
      found.push(this.#entries.get(one, entry.subscription))
      one = this.#entries.get(one, entry.next)
    }
  }

  #makePlace(tenant: string, text: string): number {
    if (text === everyType || !isPattern(text)) return this.#makeNamed(this.#makeNamed(tenants, tenant), text)
    let place = this.#makeNamed(withPatterns, tenant)
    for (const segment of segmentsOf(text)) place = this.#makeNamed(place, segment)
    return place
  }

  #enter(id: number, own: number, place: number): void {
    const one = this.#entries.allocate()
    const next = this.#nodes.get(place, node.entries)
    this.#entries.set(one, entry.subscription, id)
    this.#entries.set(one, entry.node, place)
    this.#entries.set(one, entry.next, next)
    this.#entries.set(one, entry.before, 0)
    this.#entries.set(one, entry.ofSame, this.#nodes.get(own, node.entries))
    if (next !== 0) this.#entries.set(next, entry.before, one)
    this.#nodes.set(place, node.entries, one)
    this.#nodes.add(place, node.uses, 1)
    this.#nodes.set(own, node.entries, one)
  }

  #leave(one: number): void {
    const place = this.#entries.get(one, entry.node)
    const next = this.#entries.get(one, entry.next)
    const before = this.#entries.get(one, entry.before)
    if (before === 0) this.#nodes.set(place, node.entries, next)
    else this.#entries.set(before, entry.next, next)
    if (next !== 0) this.#entries.set(next, entry.before, before)
    this.#entries.release(one)
    this.#nodes.add(place, node.uses, -1)
    this.#releaseUnused(place)
  }

  #named(above: number, text: string): number {
    const name = this.#names.of(text)
    return name === 0 ? 0 : this.#child(above, name)
  }

  #makeNamed(above: number, text: string): number {
    const known = this.#named(above, text)
    return known === 0 ? this.#makeChild(above, this.#names.take(text)) : known
  }

  #child(above: number, name: number): number {
    let place = this.#buckets[this.#bucketOf(above, name)] ?? 0
    while (place !== 0) {
      if (this.#nodes.get(place, node.name) === name && this.#nodes.get(place, node.above) === above)
        return place
      place = this.#nodes.get(place, node.nextInBucket)
    }
    return 0
  }

  #makeChild(above: number, name: number): number {
    if (this.#nodes.count >= this.#buckets.length) this.#widen()
    const place = this.#nodes.allocate()
    const bucket = this.#bucketOf(above, name)
    this.#nodes.set(place, node.above, above)
    this.#nodes.set(place, node.name, name)
    this.#nodes.set(place, node.entries, 0)
    this.#nodes.set(place, node.nextInBucket, this.#buckets[bucket] ?? 0)
    this.#nodes.set(place, node.uses, 0)
    this.#buckets[bucket] = place
    if (above > 0) this.#nodes.add(above, node.uses, 1)
    return place
  }

  /** Releases a node that nothing uses, and those above it that were there for it. */
  #releaseUnused(place: number): void {
    let next = place
    while (next > 0 && this.#nodes.get(next, node.uses) === 0) {
      const above = this.#nodes.get(next, node.above)
      const name = this.#nodes.get(next, node.name)
      this.#unlink(next, this.#bucketOf(above, name))
      this.#nodes.release(next)
      if (above !== subscriptions) this.#names.drop(name)
      if (above > 0) this.#nodes.add(above, node.uses, -1)
      next = above
    }
  }

  #unlink(place: number, bucket: number): void {
    const next = this.#nodes.get(place, node.nextInBucket)
    let one = this.#buckets[bucket] ?? 0
    if (one === place) {
      this.#buckets[bucket] = next
      return
    }
    while (this.#nodes.get(one, node.nextInBucket) !== place) one = this.#nodes.get(one, node.nextInBucket)
    this.#nodes.set(one, node.nextInBucket, next)
  }

  #bucketOf(above: number, name: number): number {
    const mixed = Math.imul(above ^ Math.imul(name, 0x9e3779b1), 0x85ebca6b)
    return (mixed ^ (mixed >>> 15)) & (this.#buckets.length - 1)
  }

  #widen(): void {
    const old = this.#buckets
    this.#buckets = new Int32Array(old.length * 2)
    for (const first of old) {
      let place = first
      while (place !== 0) {
        const next = this.#nodes.get(place, node.nextInBucket)
        const bucket = this.#bucketOf(this.#nodes.get(place, node.above), this.#nodes.get(place, node.name))
        this.#nodes.set(place, node.nextInBucket, this.#buckets[bucket] ?? 0)
        this.#buckets[bucket] = place
        place = next
      }
    }
  }
}

/** No segment of a type has a space, so a channel is never taken for one. */
function nameOfChannel(channel: string): string {
  return ` ${channel}`
}

/** Sorts in place. Lists hold what was entered last first, so nearly always turning them round is enough. */
function ascending(ids: number[]): readonly number[] {
  if (ids.length < 2) return ids
  ids.reverse()
  const isAscending = (id: number, index: number) => index === 0 || id > (ids[index - 1] ?? 0)
  if (ids.every(isAscending)) return ids
  const sorted = Int32Array.from(ids).sort()
  return Array.from(sorted.filter((id, index) => index === 0 || id !== sorted[index - 1]))
}
