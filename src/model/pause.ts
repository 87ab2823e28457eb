import type { Uuid } from '../platform/id.ts'

/** A lane that is closed for a while, and why. */
export interface LanePause {
  readonly subscriptionId: number
  /** Unix milliseconds. */
  readonly until: number
  /**
   * The receiver asked for it; its circuit is open; the head of an ordered lane waits for its retry; or the proxy of a
   * process cannot be reached. Of the last two other processes need not hear: the one is no news to those without the
   * head, the other may be so in one place only.
   */
  readonly reason: 'retry_after' | 'circuit_open' | 'order' | 'proxy'
  /** It waits for the retry of this; so it is not closed when that is no longer owed as this attempt. */
  readonly head?: { readonly webhookId: Uuid; readonly attempt: number }
}

/** The channel on which processes hear of pauses: `<subscription id> <until, Unix ms> <reason>`. */
export const pauseChannel = 'gates'

/** What a message of the channel says. */
export type PauseMessage =
  | {
      readonly kind: 'paused'
      readonly subscriptionId: number
      readonly until: number
      readonly reason: 'retry_after' | 'circuit_open'
    }
  | { readonly kind: 'resumed'; readonly subscriptionId: number }

/** Reads a message of the channel; undefined when it is none. */
export function parsePause(text: string): PauseMessage | undefined {
  const [, id, until, word] = /^(\d+) (\d+) (retry_after|circuit_open|resumed)$/.exec(text) ?? []
  const subscriptionId = Number(id)
  switch (word) {
    case 'resumed':
      return { kind: 'resumed', subscriptionId }
    case 'retry_after':
    case 'circuit_open':
      return { kind: 'paused', subscriptionId, until: Number(until), reason: word }
    default:
      return undefined
  }
}
