export interface Series {
  readonly name: string
  /** A colour of the tokens: `--good`. */
  readonly colour: `--${string}`
  readonly values: readonly (number | null)[]
}

/** A moment that may explain what comes after it, such as a change. */
export interface Mark {
  /** Unix seconds. */
  readonly at: number
  readonly label: string
}

export interface TimeSeriesProps {
  readonly title: string
  /** What the picture says, in words. */
  readonly sentence: string
  /** `bars` stand on one another; `lines` stand for themselves; `area` is filled. */
  readonly kind: 'bars' | 'lines' | 'area'
  /** Unix seconds, one for each value. */
  readonly times: readonly number[]
  readonly series: readonly Series[]
  readonly format: (value: number) => string
  readonly height?: number
  readonly marks?: readonly Mark[]
  /** A range was drawn with the pointer. */
  readonly onRange?: (since: number, until: number) => void
  /** A double click: back to the whole. */
  readonly onWhole?: () => void
}
