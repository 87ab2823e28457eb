import type { KeyObject } from 'node:crypto'
import type { Filter } from '../filters/filter.ts'
import type { CaptureOf } from '../model/exchange-details.ts'
import type { Format } from '../model/format.ts'
import type { RetryPolicy } from '../model/retry-policy.ts'
import type { ReceiverCredentials } from './auth.ts'
import type { CloudEventsRules } from './cloudevents-fields.ts'
import type { CustomSignatureRules } from './custom-signature.ts'
import type { ExpiringKey } from './expiring-key.ts'
import type { HeaderTemplate } from './header-templates.ts'
import type { Inbound } from './inbound-fields.ts'
import type { MessageSignatureRules } from './message-signature.ts'
import type { OrderingKeyRule } from './ordering-key.ts'
import type { SigningHeaders, TextScheme } from './signing.ts'

/** A key that makes an entry of the list of signatures: v1 with a secret, v1a with the private key of a pair. */
export interface SigningKey extends ExpiringKey {
  readonly scheme: 'v1' | 'v1a'
}

/** A key whose bytes are the whole text of a secret; its signature has a header of its own. */
export interface TextKey extends ExpiringKey {
  readonly scheme: TextScheme
}

/** What few subscriptions ask for of their messages, besides `format` and `signingKeys`. */
export interface MessageExtras {
  readonly cloudEvents: CloudEventsRules | null
  readonly headers: readonly HeaderTemplate[]
  readonly messageSignature: MessageSignatureRules | null
  readonly customSignature: CustomSignatureRules | null
  /** One of its templates has a place for what the sender says of an event. */
  readonly usesMetadata: boolean
}

/**
 * A subscription as the path of an event sees it: parsed, secrets opened, defaults filled in. It is never modified: a
 * change makes a new object, so an attempt keeps one version of the rules to its end.
 */
export interface Subscription {
  readonly id: number
  readonly tenant: string
  readonly targetUrl: string
  /** Scheme, host and port of `targetUrl`. */
  readonly origin: string
  /** Path and query of `targetUrl`. */
  readonly path: string
  /** The inbound secret, with which an ingest must be signed; null: no signature is asked for. */
  readonly secret: KeyObject | null
  /** How what is sent to it is verified in place of `secret`; null: by `secret`. */
  readonly inbound: Inbound | null
  /** In the order in which their signatures are listed: by scheme, each with its newest key first. Empty: no list. */
  readonly signingKeys: readonly SigningKey[]
  /** For each scheme the newest key first; empty: none of these schemes is asked for. */
  readonly textKeys: readonly TextKey[]
  readonly signingHeaders: SigningHeaders
  /** Headers of every attempt: names and values in turn, as undici takes them. */
  readonly headers: readonly string[]
  /** What else it shows its receiver, and on which connections; null for nearly all. */
  readonly credentials: ReceiverCredentials | null
  /** The caller's own name for it; unique within its tenant. */
  readonly uid: string | null
  /** Exact types and patterns, as they were given; null: every event. */
  readonly eventTypes: ReadonlySet<string> | null
  /** The segments of those of `eventTypes` that are patterns. */
  readonly eventTypePatterns: readonly (readonly string[])[]
  /** Events of at least one of them; null: whatever their channels are. */
  readonly channels: ReadonlySet<string> | null
  readonly filter: Filter | null
  /** The service has given it up: what is published does not match it. Then `paused` is true, too. */
  readonly disabled: boolean
  readonly paused: boolean
  /** Its state says that the receiver fails, so the next success has to be written. */
  readonly isFailing: boolean
  readonly retry: RetryPolicy
  readonly timeoutMs: number
  /** For the connection alone; at most `timeoutMs`. */
  readonly connectTimeoutMs: number
  /** The most requests that may be in flight to it: of all processes together. */
  readonly maxInFlight: number
  /** Nobody has set that number: how many are really in flight, up to it, is found out from the answers. */
  readonly isAdaptive: boolean
  /** At most `requests` attempts in `perSeconds` seconds; null: no limit. */
  readonly rateLimit: { readonly requests: number; readonly perSeconds: number } | null
  /** One at a time, in order of acceptance; one that fails holds those after it. */
  readonly ordered: boolean
  /** Events with the same key one at a time, in order of acceptance; null: no order by key. Never with `ordered`. */
  readonly orderingKey: OrderingKeyRule | null
  /** In which form it gets its events. */
  readonly format: Format
  /** Null for nearly all, so that the path of their events looks at one field, and at nothing of this. */
  readonly extras: MessageExtras | null
  /** Attempts tell where they are in a trace. */
  readonly forwardTraceparent: boolean
  /** Of which attempts request and answer are remembered; null: as the settings of the service say. */
  readonly capture: CaptureOf | null
  /** Grows with every change by a caller. */
  readonly version: number
  /** Unix milliseconds; later with every change of the state, which leaves the version as it is. */
  readonly stateSince: number
}
