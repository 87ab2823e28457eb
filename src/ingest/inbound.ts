import type { Inbound } from '../subscriptions/inbound-fields.ts'

/** A request to a subscription that is verified as a provider signs. */
export interface InboundToJudge {
  readonly method: string
  readonly headers: NodeJS.Dict<string | string[]>
  /** Path and query, as they came. */
  readonly url: string
  readonly body: Buffer
}

/** What is said of it. */
export type InboundJudged =
  | {
      readonly kind: 'verified'
      readonly eventType: string | null
      /** The provider's own id of the event; undefined: it has none. */
      readonly repeatId: string | undefined
    }
  /** The provider asks whether the address is ours. */
  | {
      readonly kind: 'challenge'
      readonly answer: {
        readonly status: number
        readonly headers: Readonly<Record<string, string>>
        readonly body: string
      }
    }
  | {
      readonly kind: 'refused'
      /** A code, such as `signature_mismatch`, */
      readonly reason: string
      /** and what it means, for who has a key. */
      readonly detail: string
      /**
       * What might be verified once this is fetched; never rejects. Anybody can have it fetched, so that for a stranger neither what
       * comes of it nor how long it takes may be seen in the answer.
       */
      readonly fetching?: Promise<void>
    }

/** Handed in, since the presets are above. A promise where something is fetched first for who has shown that it may be the provider. */
export type JudgeInbound = (
  inbound: Inbound,
  request: InboundToJudge,
) => InboundJudged | Promise<InboundJudged>
