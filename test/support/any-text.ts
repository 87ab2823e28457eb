import fc from 'fast-check'

/**
 * A code point, also one that is half of a pair, for `unit` of `fc.string`. fast-check has `binary` for this; it makes a table
 * of all of them first, which takes 0.7 s in each process.
 */
export const anyCodePoint: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10ffff })
  .map(code => String.fromCodePoint(code), codeOf)

function codeOf(text: unknown): number {
  const [first, second] = typeof text === 'string' ? text : ''
  if (first === undefined || second !== undefined) throw new Error('not one code point')
  return first.codePointAt(0) ?? 0
}
