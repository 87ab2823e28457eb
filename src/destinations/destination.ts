import type { ErrorClass, Outcome } from '../model/outcome.ts'
import type { Subscription } from '../subscriptions/subscription.ts'

/** What is sent in one attempt. */
export interface Message {
  /** Whom it is for. A destination reads its own settings from it: where to send, how to connect, which answers are final. */
  readonly to: Subscription
  /** Names and values in turn: what the body is, the credentials of the subscription, the signatures. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** Asks what the receiver allows, instead of bringing it something. */
  readonly isQuestion?: boolean
}

/**
 * Where messages go, whatever its protocol. HTTP is one; all of them are in folders of src/destinations/, entered by one
 * file each, and src/service/ chooses among them. What an implementation promises is below. The suite in
 * test/support/destination-suite.ts holds every one of them to it, as far as that can be seen from outside.
 *
 * - `deliver` makes one attempt, no more: it never tries again by itself. Only where nothing says that the message has arrived,
 *   because a connection that was kept has ended as it was used again, is it sent once more, within the same time, and the
 *   outcome says so (`isRepeated`).
 * - It sends the body as it is, byte for byte, and every header.
 * - It resolves within `timeoutMs` of being called, from looking up names to the last byte of the answer, whatever the
 *   receiver does. It reads and keeps a bounded part of an answer.
 * - It never rejects. What goes wrong is an outcome, with an error class and a text that is fit for the log.
 * - `accepted` is said only after the receiver said so. What is unclear is not accepted: it is sent again.
 * - It alone knows the protocol. It says `overloaded`, `gone`, `refused` or `unreachable` by the answer, sets `isFinal` by
 *   the rules of the subscription, and turns what the receiver says of time into `notBefore`, a moment in Unix
 *   milliseconds that is neither past nor farther away than a day.
 * - Its connections are shared only by messages that agree in everything a connection depends on.
 * - It connects through src/egress/, to no address that is not allowed.
 */
export interface Destination {
  deliver(message: Message, timeoutMs: number): Promise<Outcome>
  /** Ends at once what still runs, as unreachable by our own fault, and closes all connections. Sends nothing afterwards. */
  close(): Promise<void>
}

/** A failed attempt, as the log has it. */
export interface FailedAttempt {
  readonly errorClass: ErrorClass
  /** As the library underneath names it, such as ENOTFOUND. */
  readonly errorCode: string | null
  readonly httpStatus: number | null
}

/**
 * What the owner of a receiver can do about a failed attempt, in plain words. Each destination has one for its own
 * errors. It is no method of `Destination`, since processes that deliver nothing answer with it, too.
 */
export type Hint = (attempt: FailedAttempt) => string
