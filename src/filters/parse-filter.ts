import { type FieldError, jsonPointer } from '../errors.ts'
import { isCredentialHeader } from '../model/credential-headers.ts'
import {
  anyElement,
  type Combination,
  type Comparison,
  type Conditions,
  type Existence,
  every,
  type Field,
  fieldReader,
  type Scalar,
  some,
} from './condition.ts'
import type { FilterInput } from './event-fields.ts'
import { operators } from './operators.ts'

export const filterLimits = {
  /** Objects and arrays within each other. */
  depth: 16,
  /** Values that are compared with, and `$exist`. */
  clauses: 100,
  /** Of the filter as JSON in UTF-8, without spaces between its parts. */
  bytes: 8192,
} as const

/** Where in a filter an object stands, which decides what its names are. */
type Place = 'root' | 'headers' | 'text' | 'value'

type Parsed =
  | { readonly kind: 'conditions'; readonly conditions: Conditions }
  | { readonly kind: 'invalid'; readonly errors: readonly FieldError[] }

/** Errors of one filter that are told at once. */
const errorsMax = 20

const roots: Readonly<
  Record<string, { readonly place: Place; readonly read: (input: FilterInput) => unknown }>
> = {
  payload: { place: 'value', read: input => input.payload },
  headers: { place: 'headers', read: input => input.headers },
  metadata: { place: 'value', read: input => input.metadata },
  event_type: { place: 'text', read: input => input.eventType ?? undefined },
}

const rootSentence =
  'A filter is an object with payload, headers, metadata, event_type, $or, $and or $not, at least one of them.'

/** Reads a filter, a value of JSON, into conditions for a `FilterInput`. */
export function parseFilter(value: unknown, from: 'caller' | 'store'): Parsed {
  const parser = new FilterParser(from)
  const conditions = parser.conditions(value, '', 'root', 1)
  // The depth is bounded before the text is made, which recurses.
  if (parser.errors.length === 0 && Buffer.byteLength(JSON.stringify(value)) > filterLimits.bytes)
    parser.refuse('', `Give a filter of at most ${filterLimits.bytes} bytes of JSON.`)
  if (conditions === undefined || parser.errors.length > 0) return { kind: 'invalid', errors: parser.errors }
  return { kind: 'conditions', conditions }
}

class FilterParser {
  readonly errors: FieldError[] = []
  readonly #from: 'caller' | 'store'
  #clauses = 0

  constructor(from: 'caller' | 'store') {
    this.#from = from
  }

  /** @returns undefined when it is refused, as is the rest when there is too much of it */
  conditions(value: unknown, pointer: string, place: Place, depth: number): Conditions | undefined {
    if (this.#isFull(pointer)) return undefined
    if (depth > filterLimits.depth)
      return this.refuse(pointer, `Give a filter of at most ${filterLimits.depth} levels.`)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      if (place === 'root') return this.refuse(pointer, rootSentence)
      const equal = this.#comparison('$eq', value, pointer)
      return equal && conditionsOf(pointer, [equal])
    }
    const entries = Object.entries(value)
    if (entries.length === 0)
      return this.refuse(pointer, place === 'root' ? rootSentence : 'Give at least one condition.')
    const parts: Part[] = []
    for (const [name, operand] of entries) {
      const part = this.#part(name, operand, `${pointer}${jsonPointer(name)}`, place, depth)
      if (part !== undefined) parts.push(part)
      if (this.errors.length >= errorsMax) return undefined
    }
    return conditionsOf(pointer, parts)
  }

  #part(name: string, operand: unknown, pointer: string, place: Place, depth: number): Part | undefined {
    switch (name) {
      case '$or':
      case '$and':
        return this.#combination(name, operand, pointer, place, depth)
      case '$not':
        return this.#negation(operand, pointer, place, depth)
      case '$exist':
        return place === 'root' ? this.refuse(pointer, rootSentence) : this.#existence(operand, pointer)
    }
    if (place === 'root') return this.#root(name, operand, pointer, depth)
    if (name.startsWith('$')) return this.#comparison(name, operand, pointer)
    const meant = this.#from === 'caller' ? operatorMeant(name, operand) : undefined
    if (meant !== undefined)
      return this.refuse(
        pointer,
        `Operators begin with $: give ${meant}. For a field that is called ${name} give {"${name}": {"$eq": …}}.`,
      )
    if (place === 'text') return this.refuse(pointer, 'This value is a text, which has no fields.')
    if (place === 'headers') return this.#header(name.toLowerCase(), operand, pointer, depth)
    return this.#field(fieldReader(name), operand, pointer, 'value', depth)
  }

  #header(name: string, operand: unknown, pointer: string, depth: number): Part | undefined {
    if (!isCredentialHeader(name)) return this.#field(fieldReader(name), operand, pointer, 'text', depth)
    if (this.#from === 'caller')
      return this.refuse(pointer, 'This header holds credentials, which no filter can ask for.')
    return this.#field(() => undefined, operand, pointer, 'text', depth)
  }

  #root(name: string, operand: unknown, pointer: string, depth: number): Part | undefined {
    const root = Object.hasOwn(roots, name) ? roots[name] : undefined
    if (root === undefined) return this.refuse(pointer, rootSentence)
    const read = root.read as (value: unknown) => unknown // the root of a filter is given a FilterInput
    return this.#field(read, operand, pointer, root.place, depth)
  }

  #field(
    read: Field['read'],
    operand: unknown,
    pointer: string,
    place: Place,
    depth: number,
  ): Field | undefined {
    const conditions = this.conditions(operand, pointer, place, depth + 1)
    if (conditions === undefined) return undefined
    const { holds } = conditions
    return { kind: 'field', pointer, read, conditions, holds: value => holds(read(value)) }
  }

  #combination(
    operator: '$or' | '$and',
    operand: unknown,
    pointer: string,
    place: Place,
    depth: number,
  ): Combination | undefined {
    if (!Array.isArray(operand) || operand.length === 0)
      return this.refuse(pointer, 'Give an array of one or more conditions.')
    const of: Conditions[] = []
    for (const [index, one] of operand.entries()) {
      const conditions = this.conditions(one, `${pointer}/${index}`, place, depth + 2)
      if (conditions !== undefined) of.push(conditions)
      if (this.errors.length >= errorsMax) return undefined
    }
    const tests = of.map(({ holds }) => holds)
    const holds = operator === '$or' ? some(tests) : every(tests)
    return { kind: 'combination', operator, pointer, of, holds }
  }

  #negation(operand: unknown, pointer: string, place: Place, depth: number): Combination | undefined {
    const conditions = this.conditions(operand, pointer, place, depth + 1)
    if (conditions === undefined) return undefined
    const { holds } = conditions
    return {
      kind: 'combination',
      operator: '$not',
      pointer,
      of: [conditions],
      holds: value => !holds(value),
    }
  }

  #existence(operand: unknown, pointer: string): Existence | undefined {
    if (typeof operand !== 'boolean') return this.refuse(pointer, 'Give true or false.')
    if (this.#isFull(pointer)) return undefined
    this.#clauses++
    return { kind: 'existence', pointer, operand, holds: value => (value !== undefined) === operand }
  }

  #comparison(name: string, given: unknown, pointer: string): Comparison | undefined {
    const operator = Object.hasOwn(operators, name) ? operators[name] : undefined
    if (operator === undefined) return this.refuse(pointer, unknownOperator)
    const fault = operator.fault(given)
    if (fault !== undefined) return this.refuse(pointer, fault)
    if (this.#isFull(pointer)) return undefined
    this.#clauses++
    const operand = given as Scalar | readonly Scalar[] // it has no fault
    const test = operator.test(operand as never)
    const common = { kind: 'comparison', pointer, operator: name, operand } as const
    if (operator.isNegated !== true) return { ...common, isNegated: false, holds: test }
    const any = anyElement(test)
    return { ...common, isNegated: true, holds: value => !any(value) }
  }

  #isFull(pointer: string): boolean {
    if (this.#clauses < filterLimits.clauses) return false
    const isTold = this.errors.some(({ detail }) => detail === tooManyClauses)
    if (!isTold) this.refuse(pointer, tooManyClauses)
    return true
  }

  refuse(pointer: string, detail: string): undefined {
    if (this.errors.length < errorsMax) this.errors.push({ pointer, detail })
  }
}

const tooManyClauses = `Give at most ${filterLimits.clauses} values to compare with in one filter.`
const unknownOperator = `There is no such operator. There are ${Object.keys(operators).join(', ')}, $exist, $or, $and and $not. A field whose name begins with $ cannot be filtered on.`

/** Names that others give to operators. */
const synonyms: Readonly<Record<string, string>> = { ne: '$neq', exists: '$exist' }

/**
 * The operator that somebody meant who has left out its $, since its operand stands there: it would be taken for a field,
 * and the filter match nothing.
 */
function operatorMeant(name: string, operand: unknown): string | undefined {
  const meant = Object.hasOwn(synonyms, name) ? synonyms[name] : `$${name}`
  if (meant === undefined) return undefined
  const fits =
    meant === '$exist'
      ? typeof operand === 'boolean'
      : meant === '$or' || meant === '$and'
        ? Array.isArray(operand)
        : Object.hasOwn(operators, meant) && operators[meant]?.fault(operand) === undefined
  return fits ? meant : undefined
}

type Part = Comparison | Field | Existence | Combination

function conditionsOf(pointer: string, parts: readonly Part[]): Conditions {
  const ofElement: (Comparison | Field)[] = []
  const ofWhole: (Comparison | Existence | Combination)[] = []
  for (const part of parts) {
    if (part.kind === 'field' || (part.kind === 'comparison' && !part.isNegated)) ofElement.push(part)
    else ofWhole.push(part)
  }
  const whole = ofWhole.map(({ holds }) => holds)
  const element = ofElement.map(({ holds }) => holds)
  const tests = element.length === 0 ? whole : [anyElement(every(element)), ...whole]
  return { pointer, ofElement, ofWhole, holds: every(tests) }
}
