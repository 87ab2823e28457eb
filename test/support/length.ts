/**
 * What a test works on: short in the suite, so that it ends in time, and all that it is meant to be with `npm run test:long`
 * and `npm run test:pages` (TEST_LENGTH=long).
 */
export function atLength<T>(long: T, short: T): T {
  return isAtLength ? long : short
}

export const isAtLength = process.env.TEST_LENGTH === 'long'
