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

/** The values that conditions are tested on: several where an array was passed on the way, of which one has to fit. */
interface Found {
  readonly values: readonly unknown[]
  readonly isMany: boolean
}

function explain(conditions: Conditions, found: Found, why: Reason[]): void {
  const { ofElement, ofWhole, pointer } = conditions
  const { values, isMany } = elementsOf(found)
  const holdsForOne = (test: (value: unknown) => boolean, of = values) => of.some(value => test(value))
  if (ofElement.length > 1 && isMany) {
    const holds = holdsForOne(value => ofElement.every(part => part.holds(value)))
    why.push({ pointer, clause: 'one element', ...shown(found), holds })
  }
  for (const part of ofElement) {
    if (part.kind === 'field') explain(part.conditions, fieldOf(part, { values, isMany }), why)
    else
      why.push({
        pointer: part.pointer,
        clause: clauseOf(part),
        ...shown(found),
        holds: holdsForOne(part.holds),
      })
  }
  for (const part of ofWhole) {
    const holds = holdsForOne(part.holds, found.values)
    if (part.kind === 'combination') explainCombination(part, found, holds, why)
    else why.push({ pointer: part.pointer, clause: clauseOf(part), ...shown(found), holds })
  }
}

function explainCombination(part: Combination, found: Found, holds: boolean, why: Reason[]): void {
  why.push({ pointer: part.pointer, clause: part.operator, holds })
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
