import type { Connection, Database } from '../platform/postgres.ts'

/** A kind of notice: the channel it is told on (NOTIFY), and how its text is read. */
export interface NoticeKind<T> {
  readonly channel: string
  /** @returns undefined for a text that says nothing to this process */
  parse(text: string): T | undefined
}

/**
 * What processes tell each other over PostgreSQL: one connection that listens, and the parts of this process that
 * subscribed to it. It knows no kind of notice: who sends one defines it. A notice that is lost costs time only, so
 * each subscriber says how it catches up with what may have gone unheard.
 */
export class Notices {
  /** The control connection: it listens, and carries short statements that no work may hold up. */
  readonly connection: Connection
  readonly #listeners = new Map<string, ((text: string) => void)[]>()
  readonly #missed: (() => Promise<void>)[] = []
  #listeningOn = -1

  constructor(database: Database) {
    this.connection = database.connection('control', {
      queryTimeoutMs: 5000,
      onNotification: (channel, text) => {
        for (const listener of this.#listeners.get(channel) ?? []) listener(text)
      },
    })
  }

  /**
   * Subscribes to a kind of notice; to be called before the first `keepListening`.
   *
   * @param missed called once at first, and whenever notices may have gone unheard; in the order of subscription
   */
  on<T>(kind: NoticeKind<T>, listener: (notice: T) => void, missed?: () => Promise<void>): void {
    const listeners = this.#listeners.get(kind.channel) ?? []
    listeners.push(text => {
      const notice = kind.parse(text)
      if (notice !== undefined) listener(notice)
    })
    this.#listeners.set(kind.channel, listeners)
    if (missed) this.#missed.push(missed)
  }

  /** Sees that the connection listens. A new one listens to nothing, and what was told before it went unheard. */
  async keepListening(): Promise<void> {
    if (this.connection.opened === this.#listeningOn) return
    for (const channel of this.#listeners.keys()) await this.connection.listen(channel)
    for (const catchUp of this.#missed) await catchUp()
    this.#listeningOn = this.connection.opened
  }
}
