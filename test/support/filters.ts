import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { FilterInput } from '../../src/filters/event-fields.ts'
import { compileFilter, type Filter } from '../../src/filters/filter.ts'

/** An event as filters see it; say only what matters to the test. */
export function anInput(changes: Partial<FilterInput> = {}): FilterInput {
  return { eventType: null, payload: undefined, headers: {}, metadata: {}, ...changes }
}

/** Compiles a filter that has to be right. */
export function aFilter(value: unknown): Filter {
  const compiled = compileFilter(value)
  assert.ok(compiled.kind === 'filter', JSON.stringify(compiled))
  return compiled.filter
}

/**
 * What a filter means, written as plainly as can be: no compilation, no kinds of parts, and each rule of the guide as it
 * stands there.
 */
export function matchesByTheBook(filter: Record<string, unknown>, input: FilterInput): boolean {
  return Object.entries(filter).every(([name, asked]) => {
    switch (name) {
      case '$or':
        return (asked as Record<string, unknown>[]).some(one => matchesByTheBook(one, input))
      case '$and':
        return (asked as Record<string, unknown>[]).every(one => matchesByTheBook(one, input))
      case '$not':
        return !matchesByTheBook(asked as Record<string, unknown>, input)
      case 'payload':
        return valueMatches(asked, input.payload)
      case 'metadata':
        return valueMatches(asked, input.metadata)
      case 'headers':
        return valueMatches(lowerCased(asked), input.headers)
      default:
        return valueMatches(asked, input.eventType ?? undefined)
    }
  })
}

function lowerCased(asked: unknown): unknown {
  if (Array.isArray(asked)) return asked.map(lowerCased)
  if (typeof asked !== 'object' || asked === null) return asked
  // Two names that differ in case become two conditions.
  const all = Object.entries(asked).map(([name, one]) => {
    if (name === '$not') return { $not: lowerCased(one) }
    if (name === '$or' || name === '$and') return { [name]: lowerCased(one) }
    return { [name.startsWith('$') ? name : name.toLowerCase()]: one }
  })
  return { $and: all }
}

function valueMatches(asked: unknown, value: unknown): boolean {
  if (typeof asked !== 'object' || asked === null) return valueMatches({ $eq: asked }, value)
  const names = Object.keys(asked)
  const one = (name: string) => (asked as Record<string, unknown>)[name]
  const elements = Array.isArray(value) ? value : [value]
  const aboutTheWhole = ['$neq', '$nin', '$exist', '$or', '$and', '$not']
  const aboutOneElement = names.filter(name => !aboutTheWhole.includes(name))
  const anElementFits =
    aboutOneElement.length === 0 ||
    elements.some(element => aboutOneElement.every(name => elementFits(name, one(name), element)))
  const wholeFits = names
    .filter(name => aboutTheWhole.includes(name))
    .every(name => {
      const operand = one(name)
      if (name === '$exist') return operand === (value !== undefined)
      if (name === '$neq') return !valueMatches({ $eq: operand }, value)
      if (name === '$nin') return !valueMatches({ $in: operand }, value)
      if (name === '$not') return !valueMatches(operand, value)
      const all = operand as unknown[]
      return name === '$or' ? all.some(o => valueMatches(o, value)) : all.every(o => valueMatches(o, value))
    })
  return anElementFits && wholeFits
}

function elementFits(name: string, operand: unknown, element: unknown): boolean {
  const sameType = typeof operand === typeof element
  switch (name) {
    case '$eq':
      return operand === element
    case '$in':
      return (operand as unknown[]).includes(element)
    case '$gt':
      return sameType && (element as number) > (operand as number)
    case '$gte':
      return sameType && (element as number) >= (operand as number)
    case '$lt':
      return sameType && !((element as number) >= (operand as number))
    case '$lte':
      return sameType && !((element as number) > (operand as number))
    case '$startsWith':
      return sameType && (element as string).slice(0, (operand as string).length) === operand
    case '$endsWith':
      return sameType && (element as string).slice(-(operand as string).length) === operand
  }
  const isObject = typeof element === 'object' && element !== null && !Array.isArray(element)
  const field = isObject ? Object.entries(element).find(([key]) => key === name)?.[1] : undefined
  return valueMatches(operand, field)
}

// Few names and values, so that filters and events often have the same ones.
const names = fc.constantFrom('a', 'b', 'constructor', '__proto__', 'length')
const scalars = fc.constantFrom<(string | number | boolean | null)[]>(
  ...['', 'x', 'xy', 'y', '1', 0, 1, 2, -1.5, true, false, null],
)
const ordered = scalars.filter(value => typeof value === 'string' || typeof value === 'number')
const texts = fc.constantFrom('x', 'y', 'xy', '1')

/** An object with own properties only, also where one is called `__proto__`, as JSON.parse makes it. */
const objectOf = (entries: fc.Arbitrary<[string, unknown][]>) =>
  entries.map(pairs => {
    const object = {}
    for (const [name, value] of pairs)
      Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true })
    return object
  })

const { json } = fc.letrec<{ json: unknown }>(tie => ({
  json: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'json', withCrossShrink: true },
    scalars,
    fc.array(tie('json'), { maxLength: 3, depthIdentifier: 'json' }),
    objectOf(fc.array(fc.tuple(names, tie('json')), { maxLength: 3, depthIdentifier: 'json' })),
  ),
}))

/** Any payload of few names and values, or none. */
export const payloads = fc.option(json, { nil: undefined })

const { conditions } = fc.letrec<{ conditions: unknown }>(tie => {
  const several = fc.array(tie('conditions'), { minLength: 1, maxLength: 3, depthIdentifier: 'filter' })
  const named = (name: string, operand: fc.Arbitrary<unknown>) =>
    operand.map((value): [string, unknown] => [name, value])
  const entry = fc.oneof(
    { maxDepth: 3, depthIdentifier: 'filter' },
    fc.oneof(
      ...['$eq', '$neq'].map(name => named(name, scalars)),
      ...['$gt', '$gte', '$lt', '$lte'].map(name => named(name, ordered)),
      ...['$in', '$nin'].map(name => named(name, fc.array(scalars, { minLength: 1, maxLength: 3 }))),
      ...['$startsWith', '$endsWith'].map(name => named(name, texts)),
      named('$exist', fc.boolean()),
    ),
    fc.tuple(names, tie('conditions')),
    named('$or', several),
    named('$and', several),
    named('$not', tie('conditions')),
  )
  return {
    conditions: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'filter' },
      scalars,
      objectOf(fc.array(entry, { minLength: 1, maxLength: 3, depthIdentifier: 'filter' })),
    ),
  }
})

/** Any right filter on few names and values. */
export const filters = fc.oneof(
  { weight: 4, arbitrary: fc.record({ payload: conditions }) },
  { weight: 1, arbitrary: fc.record({ metadata: conditions }) },
  { weight: 1, arbitrary: fc.record({ payload: conditions, $not: fc.record({ metadata: conditions }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      $or: fc.array(fc.record({ payload: conditions }), { minLength: 1, maxLength: 3 }),
    }),
  },
)

export const inputs = fc.record({
  eventType: fc.constantFrom(null, 'x', 'y'),
  payload: payloads,
  headers: fc.constant({}),
  metadata: objectOf(fc.array(fc.tuple(names, scalars), { maxLength: 3 })),
}) as fc.Arbitrary<FilterInput>
