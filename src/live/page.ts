import type { LiveItem, LiveKind, LiveRange, LiveSource } from '../model/live-source.ts'
import type { Uuid } from '../platform/id.ts'
import type { Queryable } from '../platform/postgres.ts'
import { keyOf, type StreamFilter, wants } from './filter.ts'
import { itemFrame } from './frames.ts'

/** Of a page, what a stream is to be sent. */
export interface Selection {
  readonly count: number
  readonly bytes: Buffer
}

const nothing: Selection = { count: 0, bytes: Buffer.alloc(0) }

/** What happened between two positions. Streams that want the same share the bytes. */
export class Page {
  readonly after: Uuid
  /** All up to here is in it, and nothing beyond. */
  readonly until: Uuid
  readonly items: readonly LiveItem[]
  readonly #frames = new Map<LiveItem, string>()
  readonly #selections = new Map<string, Selection>()

  constructor(after: Uuid, until: Uuid, items: readonly LiveItem[]) {
    this.after = after
    this.until = until
    this.items = items
  }

  /** @param position the stream has all up to there */
  select(filter: StreamFilter, position: Uuid): Selection {
    if (this.items.length === 0) return nothing
    const key = position > this.after ? `${position} ${keyOf(filter)}` : keyOf(filter)
    const known = this.#selections.get(key)
    if (known !== undefined) return known
    const isWanted = wants(filter)
    const frames = this.items
      .filter(item => item.id > position && isWanted(item))
      .map(item => this.#frameOf(item))
    const selection =
      frames.length === 0 ? nothing : { count: frames.length, bytes: Buffer.from(frames.join('')) }
    this.#selections.set(key, selection)
    return selection
  }

  #frameOf(item: LiveItem): string {
    const known = this.#frames.get(item)
    if (known !== undefined) return known
    const frame = itemFrame(item)
    this.#frames.set(item, frame)
    return frame
  }
}

/** Rows of one source in a page. */
const rowsMax = 500

/**
 * Reads what comes next: of all sources up to the same position, in the order of ids.
 *
 * @param kinds other sources are left out
 * @param hints what need not be read, where that is cheaper
 */
export async function readPage(
  db: Queryable,
  sources: readonly LiveSource[],
  kinds: ReadonlySet<LiveKind>,
  { after, until: end, ...hints }: Omit<LiveRange, 'limit'>,
): Promise<Page> {
  const read: (readonly LiveItem[])[] = []
  // One after the other: a connection runs one statement at a time.
  for (const source of sources.filter(({ kind }) => kinds.has(kind)))
    read.push(await source.read(db, { after, until: end, limit: rowsMax, ...hints }))
  // Where one has more, the others are told up to the same position only.
  const ends = read.flatMap(items => (items.length < rowsMax ? [] : (items.at(-1)?.id ?? [])))
  const until = ends.reduce((least, id) => (id < least ? id : least), end)
  const items = read.flat().filter(({ id }) => id <= until)
  items.sort((one, other) => (one.id < other.id ? -1 : 1))
  return new Page(after, until, items)
}
