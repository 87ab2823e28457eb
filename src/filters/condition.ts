/** A value of JSON that is neither an array nor an object. */
export type Scalar = string | number | boolean | null

/** Whether something holds for a value of an event; undefined: the event has no such value. Never throws. */
export type Test = (value: unknown) => boolean

interface Part {
  /** JSON Pointer to it, from the root of the filter. */
  readonly pointer: string
  readonly holds: Test
}

/** An operator with its operand. `$neq` and `$nin` are negated: they hold where `$eq` and `$in` do not. */
export interface Comparison extends Part {
  readonly kind: 'comparison'
  readonly operator: string
  readonly operand: Scalar | readonly Scalar[]
  readonly isNegated: boolean
}

export interface Existence extends Part {
  readonly kind: 'existence'
  readonly operand: boolean
}

/** What has to hold for a field of an object. */
export interface Field extends Part {
  readonly kind: 'field'
  /** @returns undefined where the object has no such field, or the value is no object */
  readonly read: (value: unknown) => unknown
  readonly conditions: Conditions
}

export interface Combination extends Part {
  readonly kind: 'combination'
  readonly operator: '$or' | '$and' | '$not'
  readonly of: readonly Conditions[]
}

/**
 * What one object of a filter asks of one value; all of it must hold.
 *
 * Where the value is an array, `ofElement` (comparisons and fields) must hold together for one of its elements, and `ofWhole`
 * for the array: a negated comparison for all its elements, a combination for whatever it combines.
 */
export interface Conditions extends Part {
  readonly ofElement: readonly (Comparison | Field)[]
  readonly ofWhole: readonly (Comparison | Existence | Combination)[]
}

/** Holds for the value itself, or where it is an array for one of its elements. */
export function anyElement(test: Test): Test {
  return value => {
    if (!Array.isArray(value)) return test(value)
    for (const element of value) if (test(element)) return true
    return false
  }
}

/** Written out for few: one loop for all lengths takes twice the time. */
export function every(tests: readonly Test[]): Test {
  const [a, b, c] = tests
  if (a === undefined) return () => true
  if (b === undefined) return a
  if (c === undefined) return value => a(value) && b(value)
  const rest = every(tests.slice(3))
  if (tests.length === 3) return value => a(value) && b(value) && c(value)
  return value => a(value) && b(value) && c(value) && rest(value)
}

export function some(tests: readonly Test[]): Test {
  const [a, b] = tests
  if (a === undefined) return () => false
  if (b === undefined) return a
  const rest = some(tests.slice(1))
  return value => a(value) || rest(value)
}

/**
 * Reads a field of an object. Names that every object inherits, such as `constructor`, are looked for among its own only;
 * no other name is inherited, and a plain read is faster.
 */
export function fieldReader(name: string): (value: unknown) => unknown {
  const isInherited = name in Object.prototype
  return value => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
    if (isInherited && !Object.hasOwn(value, name)) return undefined
    return (value as Readonly<Record<string, unknown>>)[name] // an object of JSON
  }
}
