/**
 * The size of what a test works on: short in the suite, so that it ends in time, and as large as it is meant to be with
 * `npm run test:long` (TEST_LENGTH=long).
 */
export function atLength(long: number, short: number): number {
  return process.env.TEST_LENGTH === 'long' ? long : short
}
