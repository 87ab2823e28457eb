import type { Combination, Comparison, Conditions, Existence, Field } from './condition.ts'
import type { FilterInput } from './event-fields.ts'
import type { Filter } from './filter.ts'

/** One line of why a filter matches, or not. */
export interface Reason {
  /** JSON Pointer into the filter. */
  readonly pointer: string
  /** The operator and its operand, such as `$gte 100`; `$or`, `$and`, `$not`; or `one element`. */
  readonly clause: string
  /**
   * What the event has there, large values cut; absent where it has nothing, and for `$or`, `$and` and `$not`. Where the way
   * leads through an array, an array of what its elements have.
   */
  readonly value?: unknown
  readonly holds: boolean
}

export interface Explanation {
  readonly matches: boolean
  /** Of each object comparisons and fields first. What stands in `$or`, `$and` and `$not` follows them. */
  readonly why: readonly Reason[]
}

/** Tests each clause of a filter by itself, also those that `matches` would not come to. Never throws. */
export function explainFilter({ conditions }: Filter, input: FilterInput): Explanation {
  const why: Reason[] = []
  explain(conditions, { values: [input], isMany: false }, why)
  return { matches: conditions.holds(input), why }
}

/** The first line that keeps a filter from matching; undefined when it matches. */
export function decidingReason({ why }: Explanation): Reason | undefined {
  let below: string | undefined
  return why.find(({ pointer, clause, holds }) => {
    // Where a combination holds, it does not matter which parts of it do.
    if (below !== undefined && `${pointer}/`.startsWith(below)) return false
    below = holds && combinations.has(clause) ? `${pointer}/` : undefined
    return !holds
  })
}

const combinations: ReadonlySet<string> = new Set(['$or', '$and', '$not'])

/** The values that conditions are tested on: several where an array was passed on the way, of which one has to fit. */
interface Found {
  readonly values: readonly unknown[]
  readonly isMany: boolean
}

function explain(conditions: Conditions, found: Found, why: Reason[]): void {
  const { ofElement, ofWhole, pointer } = conditions
  const elements = elementsOf(found)
  // Of several values each part may fit another one, and none of them all parts.
  if (found.isMany && ofElement.length + ofWhole.length > 1)
    why.push({ pointer, clause: 'one element', ...shown(found), holds: found.values.some(conditions.holds) })
  else if (elements.isMany && ofElement.length > 1)
    why.push({
      pointer,
      clause: 'one element',
      ...shown(found),
      holds: elements.values.some(value => ofElement.every(part => part.holds(value))),
    })
  for (const part of ofElement) {
    if (part.kind === 'field') explain(part.conditions, fieldOf(part, elements), why)
    else why.push(lineOf(part, found, elements.values))
  }
  for (const part of ofWhole) {
    if (part.kind === 'combination') explainCombination(part, found, why)
    else why.push(lineOf(part, found, found.values))
  }
}

function lineOf(part: Comparison | Existence, found: Found, values: readonly unknown[]): Reason {
  return {
    pointer: part.pointer,
    clause: clauseOf(part),
    ...shown(found),
    holds: values.some(value => part.holds(value)),
  }
}

function explainCombination(part: Combination, found: Found, why: Reason[]): void {
  why.push({
    pointer: part.pointer,
    clause: part.operator,
    holds: found.values.some(value => part.holds(value)),
  })
  for (const conditions of part.of) explain(conditions, found, why)
}

function fieldOf({ read }: Field, { values, isMany }: Found): Found {
  return { values: values.map(read), isMany }
}

function elementsOf({ values, isMany }: Found): Found {
  if (!values.some(Array.isArray)) return { values, isMany }
  return { values: values.flatMap(value => (Array.isArray(value) ? value : [value])), isMany: true }
}

function clauseOf(part: Comparison | Existence): string {
  return cut(`${part.kind === 'existence' ? '$exist' : part.operator} ${JSON.stringify(part.operand)}`)
}

function shown({ values, isMany }: Found): { readonly value?: unknown } {
  const there = values.filter(value => value !== undefined)
  if (!isMany) return there.length === 0 ? {} : { value: preview(there[0], 0) }
  return { value: preview(there, 0) }
}

const shownCharsMax = 256
const shownEntriesMax = 10
const shownDepthMax = 3

/** A value of JSON, at most 3 levels of 10 entries of 256 characters. What was cut ends in "…". */
function preview(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return cut(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth === shownDepthMax) return '…'
  if (Array.isArray(value)) {
    const entries = value.slice(0, shownEntriesMax).map(entry => preview(entry, depth + 1))
    return value.length > shownEntriesMax ? [...entries, '…'] : entries
  }
  const names = Object.keys(value)
  const entries = names
    .slice(0, shownEntriesMax)
    .map((name): [string, unknown] => [
      cut(name),
      preview((value as Record<string, unknown>)[name], depth + 1),
    ])
  if (names.length > shownEntriesMax) entries.push(['…', `${names.length - shownEntriesMax} more`])
  return Object.fromEntries(entries)
}

function cut(text: string): string {
  return text.length > shownCharsMax ? `${text.slice(0, shownCharsMax).toWellFormed()}…` : text
}
