import type { Uuid } from '../platform/id.ts'

/**
 * Why nothing is sent to a subscription for a while: the receiver asked for it, its circuit is open, the head of an
 * ordered lane waits for its retry, or a process lacks what it needs to send, such as its egress proxy.
 */
export type PauseReason = ReceiverPauseReason | 'order' | 'ours'

/**
 * The reasons that other processes are told of. `order` concerns only the process that has leased the lane, and `ours`
 * may concern only the machine of one process.
 */
export type ReceiverPauseReason = 'retry_after' | 'circuit_open'

/** A lane that is closed for a while, and why. */
export interface LanePause {
  readonly subscriptionId: number
  /** Unix milliseconds. */
  readonly until: number
  readonly reason: PauseReason
  /** The lane waits for this delivery's retry. It is not closed when the delivery is no longer owed at this attempt. */
  readonly head?: { readonly webhookId: Uuid; readonly attempt: number }
}

/** What processes tell each other about pauses. */
export type PauseMessage =
  | {
      readonly kind: 'paused'
      readonly subscriptionId: number
      readonly until: number
      readonly reason: ReceiverPauseReason
    }
  | { readonly kind: 'resumed'; readonly subscriptionId: number }

/** The notice of a pause or its end: `<subscription id> <until, Unix ms> <reason, or resumed>`. */
export const pauseNotice = { channel: 'pauses', parse: parsePause } as const

function parsePause(text: string): PauseMessage | undefined {
  const [, id, until, word] = /^(\d+) (\d+) (retry_after|circuit_open|resumed)$/.exec(text) ?? []
  const subscriptionId = Number(id)
  if (word === 'resumed') return { kind: 'resumed', subscriptionId }
  if (word !== 'retry_after' && word !== 'circuit_open') return undefined
  return { kind: 'paused', subscriptionId, until: Number(until), reason: word }
}
