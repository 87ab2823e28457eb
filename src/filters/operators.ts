import type { Scalar, Test } from './condition.ts'

/** The most values of `$in` and `$nin`. */
export const listedValuesMax = 100

export interface Operator {
  /** What is wrong with an operand, as a sentence; undefined: nothing. */
  readonly fault: (operand: unknown) => string | undefined
  /** @param operand one without a fault */
  readonly test: (operand: never) => Test
  /** It holds where the test does not. */
  readonly isNegated?: true
}

/** What compares a value with an operand. Of different types none holds, and nothing is converted. */
export const operators: Readonly<Record<string, Operator>> = {
  // biome-ignore-start assist/source/useSortedKeys: equal, order, lists, texts
  $eq: { fault: scalarFault, test: equals },
  $neq: { fault: scalarFault, test: equals, isNegated: true },
  $gt: ordering((value, operand) => value > operand),
  $gte: ordering((value, operand) => value >= operand),
  $lt: ordering((value, operand) => value < operand),
  $lte: ordering((value, operand) => value <= operand),
  $in: { fault: listFault, test: isOneOf },
  $nin: { fault: listFault, test: isOneOf, isNegated: true },
  $startsWith: {
    fault: textFault,
    test: (operand: string) => value => typeof value === 'string' && value.startsWith(operand),
  },
  $endsWith: {
    fault: textFault,
    test: (operand: string) => value => typeof value === 'string' && value.endsWith(operand),
  },
  // biome-ignore-end assist/source/useSortedKeys: as above
}

function equals(operand: Scalar): Test {
  return value => value === operand
}

function isOneOf(operand: readonly Scalar[]): Test {
  const values = new Set<unknown>(operand)
  return value => values.has(value)
}

/** Numbers by size, texts by their UTF-16 units: right for times of one form, such as RFC 3339 in UTC. */
function ordering(compare: <T extends number | string>(value: T, operand: T) => boolean): Operator {
  return {
    fault: operand =>
      typeof operand === 'string' || typeof operand === 'number'
        ? scalarFault(operand)
        : 'Give a number, or a text.',
    test: (operand: number | string) =>
      typeof operand === 'number'
        ? value => typeof value === 'number' && compare(value, operand)
        : value => typeof value === 'string' && compare(value, operand),
  }
}

/** What keeps a value from being compared with. */
export function scalarFault(operand: unknown): string | undefined {
  if (Array.isArray(operand)) return noArray
  if (typeof operand === 'object' && operand !== null) return 'Give a text, a number, true, false or null.'
  return typeof operand === 'number' ? numberFault(operand) : undefined
}

const noArray =
  'Give a text, a number, true, false or null. For one of several values, use $in; for an array that has all of them, $and.'

/**
 * Whole numbers beyond 2^53 − 1 are rounded when JSON is read, here and in most other places: 9007199254740993 would be equal
 * to 9007199254740992. Refused, they cannot match what they should not: a larger number of an event is equal to none.
 */
function numberFault(operand: number): string | undefined {
  if (Number.isFinite(operand) && (!Number.isInteger(operand) || Number.isSafeInteger(operand)))
    return undefined
  return 'Give a number between −9007199254740991 and 9007199254740991. Larger ones are rounded when JSON is read, so they are best sent, and compared, as texts.'
}

function listFault(operand: unknown): string | undefined {
  if (!Array.isArray(operand) || operand.length === 0 || operand.length > listedValuesMax)
    return `Give an array of 1 to ${listedValuesMax} values, each a text, a number, true, false or null.`
  return operand.map(scalarFault).find(fault => fault !== undefined)
}

function textFault(operand: unknown): string | undefined {
  return typeof operand === 'string' && operand !== '' ? undefined : 'Give a text that is not empty.'
}
