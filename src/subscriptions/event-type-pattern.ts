/** An event type as a subscription can list it: exactly this one. */
const exactType = '[a-zA-Z0-9_.:/-]{1,128}'
const segment = '(?:[a-zA-Z0-9_:/-]+|\\*)'

/** Segments of a pattern with a `*`. More would let an event of many segments be looked up in very many ways. */
export const patternSegmentsMax = 8

/** The regular expression of what `event_types` lists: exact types, and patterns with `*` for segments. */
export const eventTypePattern = `^(?:${exactType}|(?=.{1,128}$)${segment}(?:\\.${segment}){0,${patternSegmentsMax - 1}})$`

export const eventTypePatternSentence =
  `Give an event type of 1 to 128 characters out of letters, digits and _ . : / -, or a pattern of at most ` +
  `${patternSegmentsMax} segments between dots, in which * stands for a whole segment, such as order.* or *.paid.`

/** The pattern of a subscription that wants every event, also one without a type. */
export const everyType = '*'

/** Whether a text of `event_types` is a pattern, and not one exact type. */
export function isPattern(text: string): boolean {
  return text.includes('*')
}

export function segmentsOf(text: string): readonly string[] {
  return text.split('.')
}

/**
 * Whether a pattern fits an event type. A `*` stands for one segment, at the end for one or more: `order.*` fits
 * `order.paid` and `order.item.added`, not `order`.
 */
export function fitsPattern(pattern: readonly string[], eventType: readonly string[]): boolean {
  const isOpen = pattern.at(-1) === '*'
  if (isOpen ? eventType.length < pattern.length : eventType.length !== pattern.length) return false
  return pattern.every((one, index) => one === '*' || one === eventType[index])
}
