import type { Figures } from './figures.ts'
import type { Template } from './postgres-server.ts'

/** What a scenario is given. */
export interface Ground {
  readonly template: Template
  /** Fewer and shorter faults, for CI. */
  readonly short: boolean
  /** Says what is going on, to a person who waits. */
  readonly say: (text: string) => void
}

/** What came of a scenario that ran. */
export interface Ran {
  readonly kind: 'ran'
  readonly figures: Figures
  /** How many repeats may be there, and why. */
  readonly allowed: { readonly repeats: number; readonly why: string }
  /** What else was seen, in sentences. */
  readonly notes: readonly string[]
  /** What is not as promised; empty: nothing. */
  readonly problems: readonly string[]
}

export type Result = Ran | { readonly kind: 'skipped'; readonly why: string }

/** One kind of fault, under load. */
export interface Scenario {
  /** For `--only`. */
  readonly name: string
  /** What happens, for the report. */
  readonly title: string
  /** Left out of the short form, unless it is asked for by name. */
  readonly isLong?: true
  readonly run: (ground: Ground) => Promise<Result>
}
