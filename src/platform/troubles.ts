import type { Logger } from './logger.ts'

/** What an operator has to know of. */
export const troubleKinds = [
  'database',
  'disk_full',
  'redis',
  'receiver',
  'partitions',
  'resources',
  'overload',
  'certificate',
] as const
export type TroubleKind = (typeof troubleKinds)[number]

/** One trouble, that lasts or is over. Times are Unix milliseconds. */
export interface Trouble {
  readonly kind: TroubleKind
  /** Which one, where there can be several of a kind: what is lacking, the id of a subscription; null: there is one only. */
  readonly subject: string | null
  readonly level: 'warn' | 'error'
  /** What it is and what follows from it, for people. */
  readonly message: string
  /** As who noticed it was told; null: nobody said. */
  readonly cause: string | null
  readonly since: number
  /** When it was over; null: it lasts. */
  readonly until: number | null
  /** How many were hit by it: events refused, deliveries that waited, tries that failed. */
  readonly count: number
}

/** What is said of a trouble as it begins, and once it is over. */
export interface TroubleWords {
  readonly kind: TroubleKind
  readonly subject?: string
  readonly level: 'warn' | 'error'
  readonly message: string
  readonly cause?: string
  /** What the line of its end says. */
  readonly over: string
  /** What the number in that line is of, such as `refused`. */
  readonly counts: string
  /** More fields of the first line. */
  readonly fields?: Readonly<Record<string, unknown>>
}

interface Present {
  readonly words: TroubleWords
  readonly since: number
  /** On the monotonic clock, by which its length is measured. */
  readonly beganAt: number
  count: number
  /** It is over when nobody has told of it again by then. */
  readonly quiet: { readonly ms: number; readonly timer: NodeJS.Timeout } | undefined
}

/** Troubles that are over, kept to be shown. */
const recentMax = 20

/** Troubles that last at a time; more than this are only logged. Each kind but `receiver` has a handful of subjects. */
const presentMax = 200

export interface TroublesDeps {
  readonly logger: Pick<Logger, 'warn' | 'error'>
  /** Unix milliseconds. */
  readonly now: () => number
}

/**
 * The one place where troubles are told: one line as one begins and one as it ends, with how long it took and how many it
 * has hit, however often it is reported meanwhile; and a list of those that last and of the last ones that are over, for
 * `GET /system` and the metrics.
 */
export class Troubles {
  readonly #deps: TroublesDeps
  readonly #present = new Map<string, Present>()
  readonly #recent: Trouble[] = []

  constructor(deps: TroublesDeps) {
    this.#deps = deps
  }

  /** It has begun, or is reported again. Counts `by` more that it has hit. */
  began(words: TroubleWords, by = 0): void {
    this.#begin(words, by, undefined)
  }

  /** The same of one that nobody sees the end of: it is over when it was not reported again for `quietMs`. */
  occurred(words: TroubleWords, quietMs: number, by = 1): void {
    this.#begin(words, by, quietMs)
  }

  /** It has hit more, where it lasts. */
  hit(kind: TroubleKind, by: number, subject?: string): void {
    const present = this.#present.get(keyOf(kind, subject))
    if (present) present.count += by
  }

  /** It is over. Nothing happens when it has not begun. */
  ended(kind: TroubleKind, subject?: string): void {
    const present = this.#present.get(keyOf(kind, subject))
    if (present) this.#end(present)
  }

  has(kind: TroubleKind, subject?: string): boolean {
    return this.#present.has(keyOf(kind, subject))
  }

  /** It began somewhere else or long ago, and is over now: a line, and its place among the last ones. */
  wasOver(words: TroubleWords, since: number, count: number): void {
    const until = this.#deps.now()
    this.#tellEnd(words, until - since, count)
    this.#remember({ ...shown(words), since, until, count })
  }

  /** It begins, and others look after its end: a line only. */
  tellBegin({ level, message, cause, kind, subject, fields }: TroubleWords): void {
    this.#deps.logger[level](
      {
        trouble: kind,
        ...(subject !== undefined && { subject }),
        ...fields,
        ...(cause !== undefined && { cause }),
      },
      message,
    )
  }

  /** Those that last, the oldest first. */
  get present(): readonly Trouble[] {
    return [...this.#present.values()].map(({ words, since, count }) => {
      return { ...shown(words), since, until: null, count }
    })
  }

  /** Those that are over, the last one first. */
  get recent(): readonly Trouble[] {
    return this.#recent.toReversed()
  }

  /** Ends all timers. */
  close(): void {
    for (const { quiet } of this.#present.values()) clearTimeout(quiet?.timer)
  }

  #begin(words: TroubleWords, by: number, quietMs: number | undefined): void {
    const key = keyOf(words.kind, words.subject)
    const known = this.#present.get(key)
    if (known) {
      known.count += by
      known.quiet?.timer.refresh()
      return
    }
    this.tellBegin(words)
    if (this.#present.size >= presentMax) return
    const present: Present = {
      words,
      since: this.#deps.now(),
      beganAt: performance.now(),
      count: by,
      quiet: quietMs === undefined ? undefined : { ms: quietMs, timer: this.#endWhenQuiet(key, quietMs) },
    }
    this.#present.set(key, present)
  }

  #endWhenQuiet(key: string, quietMs: number): NodeJS.Timeout {
    return setTimeout(() => {
      const present = this.#present.get(key)
      if (present) this.#end(present)
    }, quietMs).unref()
  }

  #end(present: Present): void {
    const { words, since, beganAt, count, quiet } = present
    clearTimeout(quiet?.timer)
    this.#present.delete(keyOf(words.kind, words.subject))
    const ms = Math.max(0, performance.now() - beganAt - (quiet?.ms ?? 0))
    this.#tellEnd(words, ms, count)
    this.#remember({ ...shown(words), since, until: Math.max(since, Math.round(since + ms)), count })
  }

  #tellEnd({ kind, subject, over, counts, fields }: TroubleWords, ms: number, count: number): void {
    const seconds = Math.round(ms / 100) / 10
    this.#deps.logger.warn(
      { trouble: kind, ...(subject !== undefined && { subject }), ...fields, seconds, [counts]: count },
      over,
    )
  }

  #remember(trouble: Trouble): void {
    this.#recent.push(trouble)
    if (this.#recent.length > recentMax) this.#recent.shift()
  }
}

function keyOf(kind: TroubleKind, subject: string | undefined): string {
  return subject === undefined ? kind : `${kind} ${subject}`
}

function shown({ kind, subject, level, message, cause }: TroubleWords) {
  return { kind, subject: subject ?? null, level, message, cause: cause ?? null }
}
