import type { HistogramCounts, Percentiles } from './histogram.ts'

/** To the generator: publish for a while and answer with `Generated`. */
export interface Generate {
  readonly kind: 'generate'
  readonly port: number
  readonly path: string
  readonly phase: number
  /** Bytes of one payload. */
  readonly size: number
  readonly connections: number
  readonly durationMs: number
  /** Events per second, sent whether or not answers come (open loop); 0: every connection sends when answered. */
  readonly rate: number
  /** No more events than this, so that every list of them is bounded. */
  readonly eventsMax: number
}

export interface Generated {
  readonly kind: 'generated'
  readonly sent: number
  /** Answered with 202. */
  readonly accepted: number
  /** Sequence numbers answered with 202, as `Bits`. */
  readonly acceptedBits: string
  /** Answered otherwise, by status. */
  readonly refused: Readonly<Record<string, number>>
  /** Sent, but the connection broke or no answer came in time: it may or may not be delivered. */
  readonly unanswered: number
  readonly firstSentUs: number
  readonly lastAnswerUs: number
  /** From the send (open loop: the intended send) to the answer. */
  readonly answer: Percentiles
  /** Open loop: how late the generator itself was. */
  readonly lateness: Percentiles
}

/** To the receiver: forget what was, count events of this phase. Answered with `Begun`. */
export interface Begin {
  readonly kind: 'begin'
  readonly phase: number
  readonly size: number
  readonly eventsMax: number
}

export interface Begun {
  readonly kind: 'begun'
}

/** To the receiver: answer with `Settled` as soon as all of these were received, or when time is up. */
export interface Settle {
  readonly kind: 'settle'
  readonly acceptedBits: string
  readonly timeoutMs: number
}

export interface Settled {
  readonly kind: 'settled'
  readonly unique: number
  readonly duplicates: number
  /** Bodies that had another length or another form than what was sent. */
  readonly damaged: number
  /** Accepted and not received. */
  readonly missing: number
  readonly lastReceiptUs: number
  /** From the send (open loop: the intended send) to the first receipt. */
  readonly latency: Percentiles
  readonly latencies: HistogramCounts
}

/** Said once by every child when it can be used. */
export interface Ready {
  readonly kind: 'ready'
  readonly port: number
}

export type Command = Generate | Begin | Settle
export type Reply = Generated | Begun | Settled | Ready

/** Sends a reply to the process that started this one. */
export function reply(message: Reply): void {
  process.send?.(message)
}

/** Handles commands until the parent is gone; a child that outlives it would go on using a core. */
export function onCommand(handle: (command: Command) => void): void {
  process.on('disconnect', () => process.exit(0))
  // The parent ends its children itself, in order; Ctrl-C reaches the whole group and would overtake it.
  process.on('SIGINT', () => {})
  // The channel carries nothing but what `Command` says: both ends are this folder.
  process.on('message', message => handle(message as Command))
}
